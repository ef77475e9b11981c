// Package scenario holds the interop checks, written once for every Go client.
//
// A client implements Client with the calls of its library and hands itself to Run. The report on
// standard output is what the runner reads: `run NAME`, `ok NAME`, `FAIL NAME: reason`.
package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
)

// Record is what a client sends. A nil Key or Value is null, an empty one is not.
type Record struct {
	Topic      string
	Partition  int
	Key, Value []byte
	Headers    []Header
	Timestamp  time.Time
}

// Header is one of a record's headers: a list, keys may repeat.
type Header struct {
	Key   string
	Value []byte
}

// Message is what a client reads.
type Message struct {
	Offset     int64
	Timestamp  time.Time
	Key, Value []byte
	Headers    []Header
}

// Partition is what a client tells of a partition.
type Partition struct {
	Leader        int
	Replicas, ISR []int
}

// Config is a topic's setting.
type Config struct {
	Value   string
	Default bool
}

// ProduceOptions choose how Produce sends.
type ProduceOptions struct {
	Codec      string
	Idempotent bool
}

// Member is a member of a consumer group.
type Member interface {
	// Poll returns what came within a tenth of a second, possibly nothing.
	Poll() ([]Message, error)
	// Assigned returns how many partitions the member has.
	Assigned() (int, error)
	// Commit commits what was polled.
	Commit() error
	// Close leaves the group.
	Close() error
}

// Client is what the checks ask of a client.
type Client interface {
	CreateTopic(topic string, partitions int, configs map[string]string) error
	// Produce returns the offsets the records were acknowledged with, or nil if the client does not tell.
	// It keeps the order of records even when a batch is retried: the checks know them by their offsets.
	Produce(records []Record, options ProduceOptions) ([]int64, error)
	Read(topic string, partition int, offset int64, count int) ([]Message, error)
	// OffsetAt returns the first offset at or after a time, or -1.
	OffsetAt(topic string, partition int, timestamp time.Time) (int64, error)
	Join(group, topic string, maxRecords int) (Member, error)

	// Cluster returns the cluster id ("" if the client does not tell), the controller and the nodes.
	Cluster() (id string, controller int, nodes []int, err error)
	Topics() ([]string, error)
	DescribeTopic(topic string) ([]Partition, error)
	Configs(topic string) (map[string]Config, error)
	SetConfig(topic, key, value string) error
	ResetConfig(topic, key string) error
	CreatePartitions(topic string, count int) error
	DeleteRecords(topic string, partition int, before int64) error
	EarliestOffset(topic string, partition int) (int64, error)
	Groups() ([]string, error)
	DescribeGroup(group string) (state string, members int, err error)
	GroupOffset(group, topic string, partition int) (int64, error)
	DeleteGroup(group string) error
	DeleteTopic(topic string) error
}

// Wait bounds every wait for a state.
const Wait = 30 * time.Second

// ErrUnsupported is the answer to a call that the client does not have.
var ErrUnsupported = errors.New("the client has no such call")

// Bootstrap is the broker to talk to.
var Bootstrap = cmp.Or(os.Getenv("BOOTSTRAP"), "localhost:9092")

var (
	prefix = cmp.Or(os.Getenv("PREFIX"), fmt.Sprintf("interop-go-%d", os.Getpid()))
	codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}
	// Recent, so that time-based retention leaves the records alone.
	start = time.Now().Add(-time.Hour).Truncate(time.Millisecond)
)

const sampleCount = 100

// Check runs one check and reports what became of it.
func Check(name string, body func() error) {
	fmt.Println("run", name)
	if err := body(); err != nil {
		fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
	} else {
		fmt.Println("ok", name)
	}
}

// Equal is an error unless both are the same.
func Equal(what string, want, got any) error {
	if reflect.DeepEqual(want, got) {
		return nil
	}
	return fmt.Errorf("%s: want %#v, got %#v", what, want, got)
}

// Eventually calls state until it is true: what an admin call changed is seen everywhere a little later.
func Eventually(what string, state func() (bool, error)) error {
	for end := time.Now().Add(Wait); ; time.Sleep(50 * time.Millisecond) {
		if done, err := state(); err != nil || done {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %s", Wait, what)
		}
	}
}

// sample is record i of those every client writes with every codec and expects back byte for byte.
func sample(topic string, partition, i int) Record {
	record := Record{Topic: topic, Partition: partition, Timestamp: start.Add(time.Duration(i) * time.Second)}
	if i%5 != 1 {
		record.Key = fmt.Appendf(nil, "key-%d", i)
	}
	if i%5 != 3 {
		record.Value = []byte(strings.Repeat(fmt.Sprintf("value-%d ", i), i+1))
		for b := range 256 {
			record.Value = append(record.Value, byte(b))
		}
	}
	if i%2 == 0 {
		record.Headers = []Header{
			{"trace", []byte("first")}, {"trace", []byte("second")}, {"binary", []byte{0, 0xff, 0x80}},
		}
	}
	return record
}

func verify(message Message, i int) error {
	want := sample("", 0, i)
	return errors.Join(
		Equal("offset", int64(i), message.Offset),
		Equal(fmt.Sprintf("timestamp of %d", i), want.Timestamp.UnixMilli(), message.Timestamp.UnixMilli()),
		Equal(fmt.Sprintf("key of %d", i), want.Key, message.Key),
		Equal(fmt.Sprintf("value of %d", i), want.Value, message.Value),
		Equal(fmt.Sprintf("headers of %d", i), want.Headers, message.Headers))
}

type checks struct{ client Client }

// Run carries out all checks.
func Run(client Client) {
	c := checks{client}
	Check("create-topic", func() error {
		return client.CreateTopic(Topic("codecs"), len(codecs), map[string]string{"retention.ms": "86400000"})
	})
	for partition, codec := range codecs {
		Check("produce-"+codec, func() error { return c.produce(partition, codec) })
	}
	for partition, codec := range codecs {
		Check("consume-"+codec, func() error { return c.consume(partition) })
	}
	Check("empty-bytes", c.emptyBytes)
	Check("null-header", c.nullHeader)
	Check("consume-by-time", c.byTime)
	Check("idempotent-producer", c.idempotent)
	Check("group-rebalance", c.rebalance)
	Check("commit-resume", c.commitAndResume)
	c.admin()
}

// Topic is the name of a topic or group of this run.
func Topic(name string) string { return prefix + "-" + name }
