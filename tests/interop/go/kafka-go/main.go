// kafka-go (segmentio).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"

	"interop/scenario"
)

var codecs = map[string]kafka.Compression{
	"": compress.None, "none": compress.None, "gzip": compress.Gzip,
	"snappy": compress.Snappy, "lz4": compress.Lz4, "zstd": compress.Zstd,
}

var (
	address = kafka.TCP(scenario.Bootstrap)
	brokers = []string{scenario.Bootstrap}
	admin   = &kafka.Client{Addr: address, Timeout: scenario.Wait}
	members atomic.Int64
)

type client struct{}

func main() { scenario.Run(client{}) }

func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), scenario.Wait)
}

// byPartition sends a message to the partition its writer's data names.
type byPartition struct{}

func (byPartition) Balance(message kafka.Message, _ ...int) int { return message.WriterData.(int) }

func (client) Produce(records []scenario.Record, options scenario.ProduceOptions) ([]int64, error) {
	if options.Idempotent {
		return nil, scenario.ErrUnsupported
	}
	var messages []kafka.Message
	for _, r := range records {
		one := kafka.Message{Topic: r.Topic, Key: r.Key, Value: r.Value, Time: r.Timestamp, WriterData: r.Partition}
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		messages = append(messages, one)
	}
	var lock sync.Mutex
	var offsets []int64
	writer := kafka.Writer{
		Addr: address, Compression: codecs[options.Codec], Balancer: byPartition{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: 20 * time.Millisecond, Completion: func(done []kafka.Message, _ error) {
			lock.Lock()
			defer lock.Unlock()
			for _, one := range done {
				offsets = append(offsets, one.Offset)
			}
		},
	}
	ctx, cancel := bounded()
	defer cancel()
	err := writer.WriteMessages(ctx, messages...)
	if err := errors.Join(err, writer.Close()); err != nil {
		return nil, err
	}
	if len(records) == 0 || records[0].Timestamp.IsZero() {
		return nil, nil // several partitions complete in any order
	}
	return offsets, nil
}

func message(m kafka.Message) scenario.Message {
	var headers []scenario.Header
	for _, h := range m.Headers {
		headers = append(headers, scenario.Header{Key: h.Key, Value: h.Value})
	}
	return scenario.Message{Offset: m.Offset, Timestamp: m.Time, Key: m.Key, Value: m.Value, Headers: headers}
}

func (client) Read(topic string, partition int, offset int64, count int) ([]scenario.Message, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, Topic: topic, Partition: partition, MaxWait: 200 * time.Millisecond})
	defer reader.Close()
	if err := reader.SetOffset(offset); err != nil {
		return nil, err
	}
	ctx, cancel := bounded()
	defer cancel()
	var messages []scenario.Message
	for len(messages) < count {
		one, err := reader.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		messages = append(messages, message(one))
	}
	return messages, nil
}

func (client) OffsetAt(topic string, partition int, timestamp time.Time) (int64, error) {
	return listOffset(topic, kafka.TimeOffsetOf(partition, timestamp))
}

func (client) EarliestOffset(topic string, partition int) (int64, error) {
	return listOffset(topic, kafka.FirstOffsetOf(partition))
}

func listOffset(topic string, request kafka.OffsetRequest) (int64, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {request}}})
	if err != nil {
		return 0, err
	}
	found := answer.Topics[topic][0]
	if request.Timestamp == kafka.FirstOffset {
		return found.FirstOffset, found.Error
	}
	for offset := range found.Offsets {
		return offset, found.Error
	}
	return -1, found.Error
}

// member is a group reader. It does not tell its partitions; the coordinator does, by client id.
type member struct {
	reader     *kafka.Reader
	id, group  string
	polled     []kafka.Message
	maxRecords int
}

func (client) Join(group, topic string, maxRecords int) (scenario.Member, error) {
	id := fmt.Sprintf("member-%d-%d", os.Getpid(), members.Add(1))
	return &member{id: id, group: group, maxRecords: maxRecords, reader: kafka.NewReader(kafka.ReaderConfig{
		Brokers: brokers, GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset, MaxWait: 200 * time.Millisecond,
		HeartbeatInterval: 500 * time.Millisecond, JoinGroupBackoff: 200 * time.Millisecond,
		Dialer: &kafka.Dialer{ClientID: id, Timeout: scenario.Wait},
	})}, nil
}

func (m *member) Poll() ([]scenario.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var messages []scenario.Message
	for len(messages) < m.maxRecords {
		one, err := m.reader.FetchMessage(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			return nil, err
		}
		m.polled = append(m.polled, one)
		messages = append(messages, message(one))
	}
	return messages, nil
}

func (m *member) Assigned() (int, error) {
	group, err := describeGroup(m.group)
	if err != nil || group.GroupState != "Stable" {
		return 0, err
	}
	for _, one := range group.Members {
		if one.ClientID == m.id && len(one.MemberAssignments.Topics) > 0 {
			return len(one.MemberAssignments.Topics[0].Partitions), nil
		}
	}
	return 0, nil
}

func (m *member) Commit() error {
	ctx, cancel := bounded()
	defer cancel()
	polled := m.polled
	m.polled = nil
	return m.reader.CommitMessages(ctx, polled...)
}

func (m *member) Close() error { return m.reader.Close() }
