package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"interop/scenario"
)

const copied = 200

// copyOnce makes an exactly-once copy of a topic; some of its transactions are aborted.
func copyOnce(c client) error {
	from, to := scenario.Topic("txn-from"), scenario.Topic("txn-to")
	var records []scenario.Record
	for i := range copied {
		records = append(records, scenario.Record{Topic: from, Partition: i % 2, Value: []byte(strconv.Itoa(i))})
	}
	for _, topic := range []string{from, to} {
		if err := c.CreateTopic(topic, 2, nil); err != nil {
			return err
		}
	}
	if _, err := c.Produce(records, scenario.ProduceOptions{}); err != nil {
		return err
	}
	for turn := range 4 {
		if err := copyTurn(from, to, turn); err != nil {
			return err
		}
	}
	return copies(to)
}

// copyTurn copies until nothing more comes; all but the last turn stop with an aborted transaction.
func copyTurn(from, to string, turn int) error {
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(scenario.Bootstrap),
		kgo.TransactionalID(to), kgo.ConsumerGroup(from), kgo.ConsumeTopics(from), kgo.DefaultProduceTopic(to),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.HeartbeatInterval(500*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer session.Close()
	for done, idle := 0, 0; idle < 10; {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		fetches := session.PollRecords(ctx, 15)
		cancel()
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if fetches.NumRecords() == 0 {
			idle++
			continue
		}
		idle = 0
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			session.Produce(bounded(), &kgo.Record{Partition: r.Partition, Value: r.Value}, nil)
		})
		commit := turn == 3 || done <= turn
		if _, err := session.End(bounded(), kgo.TransactionEndTry(commit)); err != nil {
			return err
		}
		if !commit {
			return nil
		}
		done++
	}
	return nil
}

// copies reads what is committed and sees that everything is there once.
func copies(topic string) error {
	start := map[int32]kgo.Offset{0: kgo.NewOffset().AtStart(), 1: kgo.NewOffset().AtStart()}
	reader, err := connect(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer reader.Close()
	var found []int
	for idle := 0; idle < 4; {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		fetches := reader.PollFetches(ctx)
		cancel()
		before := len(found)
		fetches.EachRecord(func(r *kgo.Record) {
			number, _ := strconv.Atoi(string(r.Value))
			found = append(found, number)
		})
		if len(found) == before {
			idle++
		}
	}
	sort.Ints(found)
	for i := range copied {
		if len(found) != copied || found[i] != i {
			return fmt.Errorf("copies: %v", found)
		}
	}
	return nil
}
