// franz-go, with its admin client kadm.
package main

import (
	"context"
	"errors"
	"log"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"interop/scenario"
)

var codecs = map[string]kgo.CompressionCodec{
	"": kgo.NoCompression(), "none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

type client struct{ admin *kadm.Client }

func main() {
	base, err := connect()
	if err != nil {
		log.Fatal(err)
	}
	defer base.Close()
	c := client{kadm.NewClient(base)}
	scenario.Run(c)
	scenario.Check("txn-copy", func() error { return copyOnce(c) })
}

func connect(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(scenario.Bootstrap))...)
}

func bounded() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(scenario.Wait, cancel)
	return ctx
}

func (client) Produce(records []scenario.Record, options scenario.ProduceOptions) ([]int64, error) {
	settings := []kgo.Opt{
		kgo.ProducerBatchCompression(codecs[options.Codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20 * time.Millisecond),
	}
	if !options.Idempotent {
		settings = append(settings, kgo.DisableIdempotentWrite())
	}
	producer, err := connect(settings...)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var sent []*kgo.Record
	for _, r := range records {
		record := &kgo.Record{Topic: r.Topic, Partition: int32(r.Partition), Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		sent = append(sent, record)
	}
	if err := producer.ProduceSync(bounded(), sent...).FirstErr(); err != nil {
		return nil, err
	}
	var offsets []int64
	for _, record := range sent {
		offsets = append(offsets, record.Offset)
	}
	return offsets, nil
}

func message(r *kgo.Record) scenario.Message {
	var headers []scenario.Header
	for _, h := range r.Headers {
		headers = append(headers, scenario.Header{Key: h.Key, Value: h.Value})
	}
	return scenario.Message{Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: headers}
}

func (client) Read(topic string, partition int, offset int64, count int) ([]scenario.Message, error) {
	at := map[string]map[int32]kgo.Offset{topic: {int32(partition): kgo.NewOffset().At(offset)}}
	reader, err := connect(kgo.ConsumePartitions(at))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var messages []scenario.Message
	for ctx := bounded(); len(messages) < count; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) { messages = append(messages, message(r)) })
	}
	return messages, nil
}

func (c client) OffsetAt(topic string, partition int, timestamp time.Time) (int64, error) {
	offsets, err := c.admin.ListOffsetsAfterMilli(bounded(), timestamp.UnixMilli(), topic)
	found, _ := offsets.Lookup(topic, int32(partition))
	if found.Timestamp == -1 { // kadm answers the end of the partition where no record is that young
		return -1, err
	}
	return found.Offset, err
}

// member counts its partitions from the assignment callbacks.
type member struct {
	client     *kgo.Client
	assigned   atomic.Int64
	maxRecords int
}

func (client) Join(group, topic string, maxRecords int) (scenario.Member, error) {
	m := &member{maxRecords: maxRecords}
	changed := func(sign int64) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.assigned.Add(sign * int64(len(partitions[topic])))
		}
	}
	var err error
	// With the rebalance blocked between polls, what was polled is committed before a partition moves.
	m.client, err = connect(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(500*time.Millisecond), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(changed(1)), kgo.OnPartitionsRevoked(changed(-1)), kgo.OnPartitionsLost(changed(-1)))
	return m, err
}

func (m *member) Poll() ([]scenario.Message, error) {
	m.client.AllowRebalance()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	fetches := m.client.PollRecords(ctx, m.maxRecords)
	if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	var messages []scenario.Message
	fetches.EachRecord(func(r *kgo.Record) { messages = append(messages, message(r)) })
	return messages, nil
}

func (m *member) Assigned() (int, error) { return int(m.assigned.Load()), nil }

func (m *member) Commit() error { return m.client.CommitUncommittedOffsets(bounded()) }

func (m *member) Close() error {
	m.client.CloseAllowingRebalance()
	return nil
}
