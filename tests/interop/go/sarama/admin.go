package main

import (
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"interop/scenario"
)

func (c client) CreateTopic(topic string, partitions int, configs map[string]string) error {
	settings := map[string]*string{}
	for key, value := range configs {
		settings[key] = &value
	}
	detail := sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1, ConfigEntries: settings}
	if err := c.admin.CreateTopic(topic, &detail, false); err != nil {
		return err
	}
	return c.base.RefreshMetadata(topic)
}

func (c client) Cluster() (string, int, []int, error) {
	brokers, controller, err := c.admin.DescribeCluster()
	var nodes []int
	for _, broker := range brokers {
		nodes = append(nodes, int(broker.ID()))
	}
	return "", int(controller), nodes, err
}

func (c client) Topics() ([]string, error) {
	topics, err := c.admin.ListTopics()
	return slices.Collect(maps.Keys(topics)), err
}

func (c client) DescribeTopic(topic string) ([]scenario.Partition, error) {
	topics, err := c.admin.DescribeTopics([]string{topic})
	if err != nil {
		return nil, err
	}
	var partitions []scenario.Partition
	for _, p := range topics[0].Partitions {
		partitions = append(partitions, scenario.Partition{Leader: int(p.Leader), Replicas: ints(p.Replicas), ISR: ints(p.Isr)})
	}
	return partitions, nil
}

func ints(ids []int32) (all []int) {
	for _, id := range ids {
		all = append(all, int(id))
	}
	return all
}

func (c client) Configs(topic string) (map[string]scenario.Config, error) {
	entries, err := c.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	configs := map[string]scenario.Config{}
	for _, entry := range entries {
		configs[entry.Name] = scenario.Config{Value: entry.Value, Default: entry.Source == sarama.SourceDefault}
	}
	return configs, err
}

func (c client) alter(topic, key string, change sarama.IncrementalAlterConfigsEntry) error {
	changes := map[string]sarama.IncrementalAlterConfigsEntry{key: change}
	return c.admin.IncrementalAlterConfig(sarama.TopicResource, topic, changes, false)
}

func (c client) SetConfig(topic, key, value string) error {
	return c.alter(topic, key, sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value})
}

func (c client) ResetConfig(topic, key string) error {
	return c.alter(topic, key, sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationDelete})
}

func (c client) CreatePartitions(topic string, count int) error {
	return c.admin.CreatePartitions(topic, int32(count), nil, false)
}

func (c client) DeleteRecords(topic string, partition int, before int64) error {
	return c.admin.DeleteRecords(topic, map[int32]int64{int32(partition): before})
}

func (c client) EarliestOffset(topic string, partition int) (int64, error) {
	return c.base.GetOffset(topic, int32(partition), sarama.OffsetOldest)
}

func (c client) Groups() ([]string, error) {
	groups, err := c.admin.ListConsumerGroups()
	return slices.Collect(maps.Keys(groups)), err
}

func (c client) DescribeGroup(group string) (string, int, error) {
	groups, err := c.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return "", 0, err
	}
	return groups[0].State, len(groups[0].Members), nil
}

func (c client) GroupOffset(group, topic string, partition int) (int64, error) {
	offsets, err := c.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {int32(partition)}})
	if err != nil {
		return 0, err
	}
	return offsets.GetBlock(topic, int32(partition)).Offset, nil
}

func (c client) DeleteGroup(group string) error { return c.admin.DeleteConsumerGroup(group) }

func (c client) DeleteTopic(topic string) error { return c.admin.DeleteTopic(topic) }
