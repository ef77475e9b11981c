package main

import (
	"errors"

	"github.com/segmentio/kafka-go"

	"interop/scenario"
)

const defaultConfig = 5 // the config source of a value nobody set

func (client) CreateTopic(topic string, partitions int, configs map[string]string) error {
	config := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	for key, value := range configs {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: key, ConfigValue: value})
	}
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func metadata(topics ...string) (*kafka.MetadataResponse, error) {
	ctx, cancel := bounded()
	defer cancel()
	return admin.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
}

func ids(brokers []kafka.Broker) (all []int) {
	for _, broker := range brokers {
		all = append(all, broker.ID)
	}
	return all
}

func (client) Cluster() (string, int, []int, error) {
	answer, err := metadata()
	if err != nil {
		return "", 0, nil, err
	}
	return answer.ClusterID, answer.Controller.ID, ids(answer.Brokers), nil
}

func (client) Topics() (names []string, err error) {
	answer, err := metadata()
	if err != nil {
		return nil, err
	}
	for _, topic := range answer.Topics {
		names = append(names, topic.Name)
	}
	return names, nil
}

func (client) DescribeTopic(topic string) (partitions []scenario.Partition, err error) {
	answer, err := metadata(topic)
	if err != nil {
		return nil, err
	}
	for _, p := range answer.Topics[0].Partitions {
		partitions = append(partitions, scenario.Partition{Leader: p.Leader.ID, Replicas: ids(p.Replicas), ISR: ids(p.Isr)})
	}
	return partitions, answer.Topics[0].Error
}

func (client) Configs(topic string) (map[string]scenario.Config, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}},
	})
	if err != nil {
		return nil, err
	}
	configs := map[string]scenario.Config{}
	for _, entry := range answer.Resources[0].ConfigEntries {
		configs[entry.ConfigName] = scenario.Config{Value: entry.ConfigValue, Default: entry.ConfigSource == defaultConfig}
	}
	return configs, answer.Resources[0].Error
}

func alter(topic string, change kafka.IncrementalAlterConfigsRequestConfig) error {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{change},
		}},
	})
	if err != nil {
		return err
	}
	return answer.Resources[0].Error
}

func (client) SetConfig(topic, key, value string) error {
	return alter(topic, kafka.IncrementalAlterConfigsRequestConfig{Name: key, Value: value, ConfigOperation: kafka.ConfigOperationSet})
}

func (client) ResetConfig(topic, key string) error {
	return alter(topic, kafka.IncrementalAlterConfigsRequestConfig{Name: key, ConfigOperation: kafka.ConfigOperationDelete})
}

func (client) CreatePartitions(topic string, count int) error {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(count)}},
	})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (client) DeleteRecords(string, int, int64) error { return scenario.ErrUnsupported }

func (client) Groups() (names []string, err error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	for _, group := range answer.Groups {
		names = append(names, group.GroupID)
	}
	return names, answer.Error
}

func describeGroup(group string) (kafka.DescribeGroupsResponseGroup, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return kafka.DescribeGroupsResponseGroup{}, err
	}
	return answer.Groups[0], answer.Groups[0].Error
}

func (client) DescribeGroup(group string) (string, int, error) {
	answer, err := describeGroup(group)
	return answer.GroupState, len(answer.Members), err
}

func (client) GroupOffset(group, topic string, partition int) (int64, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {partition}}})
	if err != nil {
		return 0, err
	}
	found := answer.Topics[topic][0]
	return found.CommittedOffset, errors.Join(answer.Error, found.Error)
}

func (client) DeleteGroup(group string) error {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return answer.Errors[group]
}

func (client) DeleteTopic(topic string) error {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := admin.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}
