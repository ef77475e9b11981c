package scenario

import (
	"fmt"
	"time"
)

// produce sends the sample with one codec. Each codec has its own partition, so offsets tell whether all arrived.
func (c checks) produce(partition int, codec string) error {
	var records []Record
	var want []int64
	for i := range sampleCount {
		records = append(records, sample(Topic("codecs"), partition, i))
		want = append(want, int64(i))
	}
	offsets, err := c.client.Produce(records, ProduceOptions{Codec: codec})
	if err != nil || offsets == nil {
		return err
	}
	return Equal("offsets", want, offsets)
}

func (c checks) consume(partition int) error {
	messages, err := c.client.Read(Topic("codecs"), partition, 0, sampleCount)
	if err != nil {
		return err
	}
	for i, message := range messages {
		if err := verify(message, i); err != nil {
			return err
		}
	}
	return Equal("records", sampleCount, len(messages))
}

// emptyBytes checks that an empty key and an empty value are not null ones.
func (c checks) emptyBytes() error {
	got, err := c.one(Record{Topic: Topic("empty"), Key: []byte{}, Value: []byte{}})
	if err != nil {
		return err
	}
	return Equal("key and value", [][]byte{{}, {}}, [][]byte{got.Key, got.Value})
}

// one writes a single record to a new topic and reads it back.
func (c checks) one(record Record) (Message, error) {
	if err := c.client.CreateTopic(record.Topic, 1, nil); err != nil {
		return Message{}, err
	}
	if _, err := c.client.Produce([]Record{record}, ProduceOptions{}); err != nil {
		return Message{}, err
	}
	messages, err := c.client.Read(record.Topic, 0, 0, 1)
	if err != nil {
		return Message{}, err
	}
	return messages[0], nil
}

// nullHeader checks that a header whose value is null is not one whose value is empty.
func (c checks) nullHeader() error {
	headers := []Header{{"null", nil}, {"empty", []byte{}}}
	got, err := c.one(Record{Topic: Topic("null-header"), Value: []byte("value"), Headers: headers})
	if err != nil {
		return err
	}
	return Equal("headers", headers, got.Headers)
}

func (c checks) byTime() error {
	for _, one := range []struct {
		what string
		at   time.Time
		want int64
	}{
		{"exact time", start.Add(50 * time.Second), 50},
		{"between two records", start.Add(50*time.Second + time.Millisecond), 51},
		{"before the first", start.Add(-time.Millisecond), 0},
		{"after the last", start.Add(sampleCount * time.Second), -1},
	} {
		offset, err := c.client.OffsetAt(Topic("codecs"), 0, one.at)
		if err != nil {
			return err
		}
		if err := Equal(one.what, one.want, offset); err != nil {
			return err
		}
	}
	messages, err := c.client.Read(Topic("codecs"), 0, 50, sampleCount-50)
	if err != nil {
		return err
	}
	return verify(messages[0], 50)
}

func (c checks) idempotent() error {
	name := Topic("idempotent")
	if err := c.client.CreateTopic(name, 1, nil); err != nil {
		return err
	}
	if _, err := c.client.Produce(numbered(name, 1, 0, 50), ProduceOptions{Idempotent: true}); err != nil {
		return err
	}
	messages, err := c.client.Read(name, 0, 0, 50)
	if err != nil {
		return err
	}
	for i, message := range messages {
		if err := Equal("value", fmt.Sprint(i), string(message.Value)); err != nil {
			return err
		}
	}
	return Equal("records", 50, len(messages))
}

// numbered returns records whose values are the numbers from a start, spread over partitions.
func numbered(topic string, partitions, from, count int) []Record {
	var records []Record
	for i := range count {
		records = append(records, Record{Topic: topic, Partition: i % partitions, Value: []byte(fmt.Sprint(from + i))})
	}
	return records
}
