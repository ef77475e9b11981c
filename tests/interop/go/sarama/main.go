// sarama.
package main

import (
	"context"
	"log"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"interop/scenario"
)

var codecs = map[string]sarama.CompressionCodec{
	"": sarama.CompressionNone, "none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

var brokers = []string{scenario.Bootstrap}

type client struct {
	base  sarama.Client
	admin sarama.ClusterAdmin
}

func main() {
	base, err := sarama.NewClient(brokers, config())
	if err != nil {
		log.Fatal(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(base)
	if err != nil {
		log.Fatal(err)
	}
	defer admin.Close()
	scenario.Run(client{base, admin})
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	return config
}

// encoded keeps null and empty apart: sarama writes null only for a nil interface.
func encoded(bytes []byte) sarama.Encoder {
	if bytes == nil {
		return nil
	}
	return sarama.ByteEncoder(bytes)
}

func (client) Produce(records []scenario.Record, options scenario.ProduceOptions) ([]int64, error) {
	config := config()
	config.Producer.Compression = codecs[options.Codec]
	config.Producer.Idempotent = options.Idempotent
	config.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var sent []*sarama.ProducerMessage
	for _, r := range records {
		one := &sarama.ProducerMessage{
			Topic: r.Topic, Partition: int32(r.Partition), Key: encoded(r.Key), Value: encoded(r.Value), Timestamp: r.Timestamp,
		}
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
		}
		sent = append(sent, one)
	}
	if err := producer.SendMessages(sent); err != nil {
		return nil, err
	}
	var offsets []int64
	for _, one := range sent {
		offsets = append(offsets, one.Offset)
	}
	return offsets, nil
}

func message(m *sarama.ConsumerMessage) scenario.Message {
	var headers []scenario.Header
	for _, h := range m.Headers {
		headers = append(headers, scenario.Header{Key: string(h.Key), Value: h.Value})
	}
	return scenario.Message{Offset: m.Offset, Timestamp: m.Timestamp, Key: m.Key, Value: m.Value, Headers: headers}
}

func (client) Read(topic string, partition int, offset int64, count int) ([]scenario.Message, error) {
	consumer, err := sarama.NewConsumer(brokers, config())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, int32(partition), offset)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var messages []scenario.Message
	for end := time.After(scenario.Wait); len(messages) < count; {
		select {
		case m := <-reader.Messages():
			messages = append(messages, message(m))
		case <-end:
			return messages, context.DeadlineExceeded
		}
	}
	return messages, nil
}

func (c client) OffsetAt(topic string, partition int, timestamp time.Time) (int64, error) {
	return c.base.GetOffset(topic, int32(partition), timestamp.UnixMilli())
}

// member runs the blocking Consume in a goroutine; the checks take messages from a channel.
type member struct {
	group      sarama.ConsumerGroup
	messages   chan *sarama.ConsumerMessage
	cancel     context.CancelFunc
	maxRecords int

	lock    sync.Mutex
	session sarama.ConsumerGroupSession
	ended   chan struct{}
}

func (client) Join(group, topic string, maxRecords int) (scenario.Member, error) {
	joined, err := sarama.NewConsumerGroup(brokers, group, config())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{
		group: joined, messages: make(chan *sarama.ConsumerMessage), cancel: cancel, maxRecords: maxRecords,
		ended: make(chan struct{}),
	}
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if err := joined.Consume(ctx, []string{topic}, m); err != nil {
				log.Print(err)
			}
		}
	}()
	return m, nil
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = session
	return nil
}

func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	session.Commit()
	m.session = nil
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case one, open := <-claim.Messages():
			if !open {
				return nil
			}
			select {
			case m.messages <- one:
				session.MarkMessage(one, "")
			case <-session.Context().Done():
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) Poll() ([]scenario.Message, error) {
	var messages []scenario.Message
	for end := time.After(100 * time.Millisecond); len(messages) < m.maxRecords; {
		select {
		case one := <-m.messages:
			messages = append(messages, message(one))
		case <-end:
			return messages, nil
		}
	}
	return messages, nil
}

func (m *member) Assigned() (count int, err error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.session != nil {
		for _, partitions := range m.session.Claims() {
			count += len(partitions)
		}
	}
	return count, nil
}

func (m *member) Commit() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.session != nil {
		m.session.Commit()
	}
	return nil
}

func (m *member) Close() error {
	m.cancel()
	<-m.ended
	return m.group.Close()
}
