package main

import (
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"interop/scenario"
)

func (c client) CreateTopic(topic string, partitions int, configs map[string]string) error {
	settings := map[string]*string{}
	for key, value := range configs {
		settings[key] = &value
	}
	_, err := c.admin.CreateTopic(bounded(), int32(partitions), 1, settings, topic)
	return err
}

func (c client) Cluster() (string, int, []int, error) {
	metadata, err := c.admin.BrokerMetadata(bounded())
	var nodes []int
	for _, id := range metadata.Brokers.NodeIDs() {
		nodes = append(nodes, int(id))
	}
	return metadata.Cluster, int(metadata.Controller), nodes, err
}

func (c client) Topics() ([]string, error) {
	topics, err := c.admin.ListTopics(bounded())
	return topics.Names(), err
}

func (c client) DescribeTopic(topic string) ([]scenario.Partition, error) {
	topics, err := c.admin.ListTopics(bounded(), topic)
	var partitions []scenario.Partition
	for _, p := range topics[topic].Partitions.Sorted() {
		partitions = append(partitions, scenario.Partition{Leader: int(p.Leader), Replicas: ints(p.Replicas), ISR: ints(p.ISR)})
	}
	return partitions, err
}

func ints(ids []int32) (all []int) {
	for _, id := range ids {
		all = append(all, int(id))
	}
	return all
}

func (c client) Configs(topic string) (map[string]scenario.Config, error) {
	resources, err := c.admin.DescribeTopicConfigs(bounded(), topic)
	if err != nil {
		return nil, err
	}
	resource, err := resources.On(topic, nil)
	configs := map[string]scenario.Config{}
	for _, config := range resource.Configs {
		configs[config.Key] = scenario.Config{
			Value: config.MaybeValue(), Default: config.Source == kmsg.ConfigSourceDefaultConfig,
		}
	}
	return configs, err
}

func (c client) alter(topic string, change kadm.AlterConfig) error {
	responses, err := c.admin.AlterTopicConfigs(bounded(), []kadm.AlterConfig{change}, topic)
	if err != nil {
		return err
	}
	response, err := responses.On(topic, nil)
	if err != nil {
		return err
	}
	return response.Err
}

func (c client) SetConfig(topic, key, value string) error {
	return c.alter(topic, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &value})
}

func (c client) ResetConfig(topic, key string) error {
	return c.alter(topic, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: key})
}

func (c client) CreatePartitions(topic string, count int) error {
	responses, err := c.admin.UpdatePartitions(bounded(), count, topic)
	if err != nil {
		return err
	}
	return responses.Error()
}

func (c client) DeleteRecords(topic string, partition int, before int64) error {
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, int32(partition), before, -1)
	responses, err := c.admin.DeleteRecords(bounded(), offsets)
	if err != nil {
		return err
	}
	return responses.Error()
}

func (c client) EarliestOffset(topic string, partition int) (int64, error) {
	offsets, err := c.admin.ListStartOffsets(bounded(), topic)
	found, _ := offsets.Lookup(topic, int32(partition))
	return found.Offset, err
}

func (c client) Groups() ([]string, error) {
	groups, err := c.admin.ListGroups(bounded())
	return groups.Groups(), err
}

func (c client) DescribeGroup(group string) (string, int, error) {
	groups, err := c.admin.DescribeGroups(bounded(), group)
	return groups[group].State, len(groups[group].Members), err
}

func (c client) GroupOffset(group, topic string, partition int) (int64, error) {
	offsets, err := c.admin.FetchOffsets(bounded(), group)
	found, _ := offsets.Lookup(topic, int32(partition))
	return found.At, err
}

func (c client) DeleteGroup(group string) error {
	_, err := c.admin.DeleteGroup(bounded(), group)
	return err
}

func (c client) DeleteTopic(topic string) error {
	_, err := c.admin.DeleteTopic(bounded(), topic)
	return err
}
