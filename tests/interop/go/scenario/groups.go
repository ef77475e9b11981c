package scenario

import (
	"fmt"
	"reflect"
)

// rebalance: one member has all four partitions, two have two each, and the one that stays has all again.
func (c checks) rebalance() error {
	group := Topic("group")
	if err := c.client.CreateTopic(group, 4, nil); err != nil {
		return err
	}
	first, err := c.client.Join(group, group, 100)
	if err != nil {
		return err
	}
	defer first.Close()
	turn := groupTurn{client: c.client, group: group, seen: map[string]int{}, members: []Member{first}}
	if err := turn.run(40, []int{4}); err != nil {
		return err
	}
	second, err := c.client.Join(group, group, 100)
	if err != nil {
		return err
	}
	turn.members = []Member{first, second}
	if err := turn.consume([]int{2, 2}); err != nil {
		return err
	}
	if err := turn.run(40, []int{2, 2}); err != nil {
		return err
	}
	if err := second.Close(); err != nil {
		return err
	}
	turn.members = []Member{first}
	if err := turn.consume([]int{4}); err != nil {
		return err
	}
	if err := turn.run(40, []int{4}); err != nil {
		return err
	}
	for value, times := range turn.seen {
		if err := Equal("times that record "+value+" was read", 1, times); err != nil {
			return err
		}
	}
	return nil
}

// groupTurn is the state of the rebalance check: what was sent, what was seen, who is a member.
type groupTurn struct {
	client  Client
	group   string
	sent    int
	seen    map[string]int
	members []Member
}

// run sends more records and lets the members read them.
func (t *groupTurn) run(count int, shares []int) error {
	if _, err := t.client.Produce(numbered(t.group, 4, t.sent, count), ProduceOptions{}); err != nil {
		return err
	}
	t.sent += count
	return t.consume(shares)
}

// consume polls until everything sent was seen and the members have their shares of the partitions.
func (t *groupTurn) consume(shares []int) error {
	what := fmt.Sprintf("%d records by members with %v partitions", t.sent, shares)
	return Eventually(what, func() (bool, error) {
		var assigned []int
		for _, member := range t.members {
			if err := t.poll(member); err != nil {
				return false, err
			}
			count, err := member.Assigned()
			if err != nil {
				return false, err
			}
			assigned = append(assigned, count)
		}
		return len(t.seen) == t.sent && reflect.DeepEqual(assigned, shares), nil
	})
}

func (t *groupTurn) poll(member Member) error {
	messages, err := member.Poll()
	if err != nil || len(messages) == 0 {
		return err
	}
	for _, message := range messages {
		t.seen[string(message.Value)]++
	}
	return member.Commit()
}

func (c checks) commitAndResume() error {
	name := Topic("commit")
	if err := c.client.CreateTopic(name, 1, nil); err != nil {
		return err
	}
	if _, err := c.client.Produce(numbered(name, 1, 0, 20), ProduceOptions{}); err != nil {
		return err
	}
	for half := range 2 {
		if err := c.consumeTen(name, half*10); err != nil {
			return err
		}
	}
	return nil
}

// consumeTen joins, reads ten records one by one, commits and leaves.
func (c checks) consumeTen(name string, from int) error {
	member, err := c.client.Join(name, name, 1)
	if err != nil {
		return err
	}
	defer member.Close()
	next := from
	err = Eventually("ten records", func() (bool, error) {
		messages, err := member.Poll()
		for _, message := range messages {
			if err := Equal("offset", int64(next), message.Offset); err != nil {
				return false, err
			}
			next++
		}
		return next == from+10, err
	})
	if err != nil {
		return err
	}
	return member.Commit()
}
