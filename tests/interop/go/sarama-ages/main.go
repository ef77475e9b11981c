// sarama told to speak to brokers of long ago: it then sends what it sent in those days.
package main

import (
	"fmt"
	"log"
	"time"

	"github.com/IBM/sarama"

	"interop/scenario"
)

var ages = []sarama.KafkaVersion{
	sarama.V0_8_2_2, sarama.V0_9_0_1, sarama.V0_10_0_1, sarama.V0_10_2_0, sarama.V0_11_0_0, sarama.V1_1_0_0, sarama.V2_1_0_0,
}

// Not lz4: in the formats before 0.10 its frames have a checksum that this client refuses.
var codecs = []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy}

const batch = 10

var (
	topic = scenario.Topic("mixed")
	// Who wrote the record at each offset.
	writers []sarama.KafkaVersion
	start   = time.Now().Add(-time.Hour).Truncate(time.Millisecond)
)

func config(age sarama.KafkaVersion) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = age
	config.ApiVersionsRequest = false
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Net.MaxOpenRequests = 1
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	// Fetches that are smaller than a batch: the client asks for more when an answer is cut.
	config.Consumer.Fetch.Default = 200
	return config
}

func value(n int) string { return fmt.Sprintf("value-%d", n) }

// produce writes a batch with each codec, all into one partition.
func produce(at int) error {
	for _, codec := range codecs {
		config := config(ages[at])
		config.Producer.Compression = codec
		producer, err := sarama.NewSyncProducer([]string{scenario.Bootstrap}, config)
		if err != nil {
			return err
		}
		defer producer.Close()
		first := len(writers)
		var sent []*sarama.ProducerMessage
		for n := first; n < first+batch; n++ {
			sent = append(sent, &sarama.ProducerMessage{
				Topic: topic, Value: sarama.StringEncoder(value(n)), Timestamp: start.Add(time.Duration(n) * time.Millisecond),
			})
		}
		if err := producer.SendMessages(sent); err != nil {
			return err
		}
		for i, one := range sent {
			if one.Offset != int64(first+i) {
				return fmt.Errorf("record %d of %v is at offset %d", first+i, codec, one.Offset)
			}
			writers = append(writers, ages[at])
		}
	}
	return nil
}

// consume reads from the middle of a compressed batch to the end.
func consume(at int) error {
	consumer, err := sarama.NewConsumer([]string{scenario.Bootstrap}, config(ages[at]))
	if err != nil {
		return err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, 0, batch+3)
	if err != nil {
		return err
	}
	defer reader.Close()
	end := time.After(scenario.Wait)
	for n := batch + 3; n < len(writers); n++ {
		select {
		case m := <-reader.Messages():
			if m.Offset != int64(n) || string(m.Value) != value(n) {
				return fmt.Errorf("want record %d, got %d: %q", n, m.Offset, m.Value)
			}
			timed := ages[at].IsAtLeast(sarama.V0_10_0_0) && writers[n].IsAtLeast(sarama.V0_10_0_0)
			if want := start.Add(time.Duration(n) * time.Millisecond); timed && !m.Timestamp.Equal(want) {
				return fmt.Errorf("record %d: want time %v, got %v", n, want, m.Timestamp)
			}
		case <-end:
			return fmt.Errorf("record %d did not come", n)
		}
	}
	return nil
}

// resume finds what the age before committed, and commits with a retention of its own (0.9 to 2.0).
func resume(at int) error {
	config := config(ages[at])
	config.Consumer.Offsets.Retention = time.Hour
	client, err := sarama.NewClient([]string{scenario.Bootstrap}, config)
	if err != nil {
		return err
	}
	defer client.Close()
	offsets, err := sarama.NewOffsetManagerFromClient(scenario.Topic("resume"), client)
	if err != nil {
		return err
	}
	defer offsets.Close()
	partition, err := offsets.ManagePartition(topic, 0)
	if err != nil {
		return err
	}
	defer partition.AsyncClose()
	want := int64(at)
	if at == 0 {
		want = sarama.OffsetOldest
	}
	if got, _ := partition.NextOffset(); got != want {
		return fmt.Errorf("want offset %d, got %d", want, got)
	}
	partition.MarkOffset(int64(at+1), "text")
	offsets.Commit()
	select {
	case err := <-partition.Errors():
		return err
	default:
		return nil
	}
}

func main() {
	log.SetFlags(0)
	for at, age := range ages {
		scenario.Check("produce-"+age.String(), func() error { return produce(at) })
	}
	for at, age := range ages {
		scenario.Check("consume-"+age.String(), func() error { return consume(at) })
		scenario.Check("resume-"+age.String(), func() error { return resume(at) })
	}
}
