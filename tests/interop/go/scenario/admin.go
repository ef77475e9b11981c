package scenario

import (
	"fmt"
	"slices"
)

func (c checks) admin() {
	name, group := Topic("admin"), Topic("commit")
	Check("admin-describe-cluster", c.describeCluster)
	Check("admin-list-topics", func() error { return listed(true, Topic("codecs"), c.client.Topics) })
	Check("admin-describe-topic", c.describeTopic)
	Check("admin-describe-configs", c.describeConfigs)
	Check("admin-alter-configs", func() error { return c.alterConfigs(name) })
	Check("admin-create-partitions", func() error { return c.createPartitions(name) })
	Check("admin-delete-records", func() error { return c.deleteRecords(name) })
	Check("admin-list-groups", func() error { return listed(true, group, c.client.Groups) })
	Check("admin-describe-group", func() error {
		state, members, err := c.client.DescribeGroup(group)
		if err != nil {
			return err
		}
		return Equal("state and members", []any{"Empty", 0}, []any{state, members})
	})
	Check("admin-group-offsets", func() error {
		offset, err := c.client.GroupOffset(group, group, 0)
		if err != nil {
			return err
		}
		return Equal("committed offset", int64(20), offset)
	})
	Check("admin-delete-group", func() error {
		if err := c.client.DeleteGroup(group); err != nil {
			return err
		}
		return listed(false, group, c.client.Groups)
	})
	Check("admin-delete-topic", func() error {
		if err := c.client.DeleteTopic(name); err != nil {
			return err
		}
		return Eventually("the topic is gone", func() (bool, error) {
			topics, err := c.client.Topics()
			return !slices.Contains(topics, name), err
		})
	})
}

func listed(want bool, name string, list func() ([]string, error)) error {
	names, err := list()
	if err != nil {
		return err
	}
	return Equal("listed", want, slices.Contains(names, name))
}

func (c checks) describeCluster() error {
	_, controller, nodes, err := c.client.Cluster()
	if err != nil {
		return err
	}
	if !slices.Contains(nodes, controller) {
		return fmt.Errorf("controller %d is none of %v", controller, nodes)
	}
	return nil
}

func (c checks) describeTopic() error {
	partitions, err := c.client.DescribeTopic(Topic("codecs"))
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		want := Partition{partition.Leader, []int{partition.Leader}, []int{partition.Leader}}
		if err := Equal("partition", want, partition); err != nil {
			return err
		}
	}
	return Equal("partitions", len(codecs), len(partitions))
}

func (c checks) describeConfigs() error {
	configs, err := c.client.Configs(Topic("codecs"))
	if err != nil {
		return err
	}
	if err := Equal("set value", Config{"86400000", false}, configs["retention.ms"]); err != nil {
		return err
	}
	return Equal("default value", Config{"producer", true}, configs["compression.type"])
}

func (c checks) alterConfigs(name string) error {
	if err := c.client.CreateTopic(name, 1, nil); err != nil {
		return err
	}
	before, err := c.client.Configs(name)
	if err != nil {
		return err
	}
	if err := c.client.SetConfig(name, "retention.ms", "7200000"); err != nil {
		return err
	}
	if err := c.configBecomes(name, Config{"7200000", false}); err != nil {
		return err
	}
	if err := c.client.ResetConfig(name, "retention.ms"); err != nil {
		return err
	}
	return c.configBecomes(name, before["retention.ms"])
}

func (c checks) configBecomes(name string, want Config) error {
	return Eventually(fmt.Sprintf("retention.ms is %v", want), func() (bool, error) {
		configs, err := c.client.Configs(name)
		return configs["retention.ms"] == want, err
	})
}

func (c checks) createPartitions(name string) error {
	if err := c.client.CreatePartitions(name, 3); err != nil {
		return err
	}
	return Eventually("three partitions", func() (bool, error) {
		partitions, err := c.client.DescribeTopic(name)
		return len(partitions) == 3, err
	})
}

func (c checks) deleteRecords(name string) error {
	if _, err := c.client.Produce(numbered(name, 1, 0, 10), ProduceOptions{}); err != nil {
		return err
	}
	if err := c.client.DeleteRecords(name, 0, 4); err != nil {
		return err
	}
	offset, err := c.client.EarliestOffset(name, 0)
	if err != nil {
		return err
	}
	return Equal("earliest offset", int64(4), offset)
}
