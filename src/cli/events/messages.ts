/** Batches and single messages of queues, topics, streams, brokers and buses. */
import { gzipSync } from "node:zlib";
import { arn, base64, json, md5, template, uuid } from "./template.ts";

export const messages = [
  template({
    name: "sqs-receive-message",
    summary: "messages of a queue, all with the same body (count=1 to 10)",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html",
    parameters: { queue: "MyQueue", body: "Hello from SQS!", count: "1", group: "" },
    event: ({ queue, body, count, group }, occasion) => ({
      Records: Array.from({ length: Number(count) }, (_, index) => ({
        messageId: uuid(),
        receiptHandle: base64(uuid()),
        body,
        attributes: {
          ApproximateReceiveCount: "1",
          SentTimestamp: String(occasion.now.getTime()),
          SenderId: occasion.account,
          ApproximateFirstReceiveTimestamp: String(occasion.now.getTime() + 1),
          ...(group === ""
            ? {}
            : {
                SequenceNumber: String(18_849_496_460_467_696_128n + BigInt(index)),
                MessageGroupId: group,
                MessageDeduplicationId: uuid(),
              }),
        },
        messageAttributes: {},
        md5OfBody: md5(body),
        eventSource: "aws:sqs",
        eventSourceARN: arn("sqs", occasion, queue),
        awsRegion: occasion.region,
      })),
    }),
  }),
  template({
    name: "sns-notification",
    summary: "a notification of a topic",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html",
    parameters: { topic: "MyTopic", subject: "TestInvoke", message: "Hello from SNS!" },
    event({ topic, subject, message }, occasion) {
      const TopicArn = arn("sns", occasion, topic);
      const host = `https://sns.${occasion.region}.amazonaws.com`;
      return {
        Records: [
          {
            EventSource: "aws:sns",
            EventVersion: "1.0",
            EventSubscriptionArn: `${TopicArn}:21be56ed-a058-49f5-8c98-aedd2564c486`,
            Sns: {
              Type: "Notification",
              MessageId: uuid(),
              TopicArn,
              Subject: subject,
              Message: message,
              Timestamp: occasion.now.toISOString(),
              SignatureVersion: "1",
              Signature: "EXAMPLE",
              SigningCertUrl: `${host}/SimpleNotificationService-EXAMPLE.pem`,
              UnsubscribeUrl: `${host}/?Action=Unsubscribe&SubscriptionArn=${TopicArn}:21be56ed-a058-49f5-8c98-aedd2564c486`,
              MessageAttributes: {},
            },
          },
        ],
      };
    },
  }),
  template({
    name: "eventbridge-event",
    summary: "an event of a bus (source, detailType, detail={...})",
    source: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html",
    parameters: { source: "my.application", detailType: "Something happened", detail: "{}" },
    event: ({ source, detailType, detail }, { now, region, account }) => ({
      version: "0",
      id: uuid(),
      "detail-type": detailType,
      source,
      account,
      time: seconds(now),
      region,
      resources: [],
      detail: json("detail", detail),
    }),
  }),
  template({
    name: "cloudwatch-scheduled-event",
    summary: "a schedule of EventBridge",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html",
    parameters: { rule: "ExampleRule" },
    event: ({ rule }, occasion) => ({
      version: "0",
      id: uuid(),
      "detail-type": "Scheduled Event",
      source: "aws.events",
      account: occasion.account,
      time: seconds(occasion.now),
      region: occasion.region,
      resources: [arn("events", occasion, `rule/${rule}`)],
      detail: {},
    }),
  }),
  template({
    name: "cloudwatch-logs",
    summary: "lines of a log group, by a subscription filter",
    source: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html",
    parameters: {
      logGroup: "testLogGroup",
      logStream: "testLogStream",
      filter: "testFilter",
      message: "[ERROR] a line",
    },
    event({ logGroup, logStream, filter, message }, { now, account }) {
      const data = {
        messageType: "DATA_MESSAGE",
        owner: account,
        logGroup,
        logStream,
        subscriptionFilters: [filter],
        logEvents: [
          { id: "35689263648391837472973739781728019701390240798247944192", timestamp: now.getTime(), message },
        ],
      };
      return { awslogs: { data: base64(gzipSync(JSON.stringify(data))) } };
    },
  }),
  template({
    name: "kinesis-get-records",
    summary: "a record of a stream",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html",
    parameters: { stream: "lambda-stream", key: "1", data: "Hello, this is a test." },
    event({ stream, key, data }, occasion) {
      const sequenceNumber = "49590338271490256608559692538361571095921575989136588898";
      return {
        Records: [
          {
            kinesis: {
              kinesisSchemaVersion: "1.0",
              partitionKey: key,
              sequenceNumber,
              data: base64(data),
              approximateArrivalTimestamp: occasion.now.getTime() / 1_000,
            },
            eventSource: "aws:kinesis",
            eventVersion: "1.0",
            eventID: `shardId-000000000006:${sequenceNumber}`,
            eventName: "aws:kinesis:record",
            invokeIdentityArn: `arn:aws:iam::${occasion.account}:role/lambda-role`,
            awsRegion: occasion.region,
            eventSourceARN: arn("kinesis", occasion, `stream/${stream}`),
          },
        ],
      };
    },
  }),
  template({
    name: "kinesis-firehose",
    summary: "a record that Firehose wants transformed",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/services-kinesisfirehose.html",
    parameters: { stream: "exampleStream", data: "Hello World" },
    event: ({ stream, data }, occasion) => ({
      invocationId: uuid(),
      deliveryStreamArn: arn("firehose", occasion, `deliverystream/${stream}`),
      region: occasion.region,
      records: [
        {
          recordId: "49546986683135544286507457936321625675700192471156785154000000",
          approximateArrivalTimestamp: occasion.now.getTime(),
          data: base64(data),
        },
      ],
    }),
  }),
  template({
    name: "dynamodb-update",
    summary: "a change of a table (event=INSERT, MODIFY or REMOVE; keys, old and new as typed JSON)",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html",
    parameters: {
      table: "ExampleTable",
      event: "MODIFY",
      keys: '{"Id":{"N":"101"}}',
      old: '{"Id":{"N":"101"},"Message":{"S":"New item!"}}',
      new: '{"Id":{"N":"101"},"Message":{"S":"This item has changed"}}',
    },
    event: ({ table, event, keys, old, new: fresh }, occasion) => ({
      Records: [
        {
          eventID: md5(uuid()),
          eventName: event,
          eventVersion: "1.1",
          eventSource: "aws:dynamodb",
          awsRegion: occasion.region,
          dynamodb: {
            ApproximateCreationDateTime: Math.floor(occasion.now.getTime() / 1_000),
            Keys: json("keys", keys),
            ...(event === "REMOVE" ? {} : { NewImage: json("new", fresh) }),
            ...(event === "INSERT" ? {} : { OldImage: json("old", old) }),
            SequenceNumber: "4421584500000000017450439091",
            SizeBytes: old.length + fresh.length,
            StreamViewType: "NEW_AND_OLD_IMAGES",
          },
          eventSourceARN: arn("dynamodb", occasion, `table/${table}/stream/2026-01-01T00:00:00.000`),
        },
      ],
    }),
  }),
  template({
    name: "kafka-msk",
    summary: "a record of a topic of MSK, or of another Kafka (cluster=self-managed)",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html",
    parameters: { topic: "mytopic", key: "key", value: "Hello, this is a test.", cluster: "vpc-2priv-2pub" },
    event({ topic, key, value, cluster }, occasion) {
      const isOwn = cluster !== "self-managed";
      const clusterArn = arn("kafka", occasion, `cluster/${cluster}/751d2973-a626-431c-9d4e-d7975eb44dd7-2`);
      return {
        eventSource: isOwn ? "aws:kafka" : "SelfManagedKafka",
        ...(isOwn ? { eventSourceArn: clusterArn } : {}),
        bootstrapServers: "b-1.example.com:9092,b-2.example.com:9092",
        records: {
          [`${topic}-0`]: [
            {
              topic,
              partition: 0,
              offset: 15,
              timestamp: occasion.now.getTime(),
              timestampType: "CREATE_TIME",
              key: base64(key),
              value: base64(value),
              headers: [{ headerKey: [...Buffer.from("headerValue")] }],
            },
          ],
        },
      };
    },
  }),
  template({
    name: "mq-activemq",
    summary: "a message of ActiveMQ",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/with-mq.html",
    parameters: { queue: "testQueue", data: "Hello from ActiveMQ!", broker: "test" },
    event: ({ queue, data, broker }, occasion) => ({
      eventSource: "aws:mq",
      eventSourceArn: arn("mq", occasion, `broker:${broker}:b-9bcfa592-423a-4942-879d-eb284b418fc8`),
      messages: [
        {
          messageID: "ID:b-9bcfa592-423a-4942-879d-eb284b418fc8-1.mq.example.com-37557-1234520418293-4:1:1:1:1",
          messageType: "jms/text-message",
          deliveryMode: 1,
          replyTo: null,
          type: null,
          expiration: 0,
          priority: 0,
          correlationId: "myJMSCoID",
          redelivered: false,
          destination: { physicalName: queue },
          data: base64(data),
          timestamp: occasion.now.getTime(),
          brokerInTime: occasion.now.getTime(),
          brokerOutTime: occasion.now.getTime(),
          properties: {},
        },
      ],
    }),
  }),
  template({
    name: "mq-rabbitmq",
    summary: "a message of RabbitMQ",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/with-mq.html",
    parameters: {
      queue: "test",
      host: "/",
      data: '{"timeout":0,"data":"Hello from RabbitMQ!"}',
      broker: "pizzaBroker",
    },
    event: ({ queue, host, data, broker }, occasion) => ({
      eventSource: "aws:rmq",
      eventSourceArn: arn("mq", occasion, `broker:${broker}:b-9bcfa592-423a-4942-879d-eb284b418fc8`),
      rmqMessagesByQueue: {
        [`${queue}::${host}`]: [
          {
            basicProperties: {
              contentType: "text/plain",
              contentEncoding: null,
              headers: {},
              deliveryMode: 1,
              priority: 34,
              correlationId: null,
              replyTo: null,
              expiration: "60000",
              messageId: null,
              timestamp: occasion.now.toISOString(),
              type: null,
              userId: "AIDACKCEVSQ6C2EXAMPLE",
              appId: null,
              clusterId: null,
              bodySize: Buffer.byteLength(data),
            },
            redelivered: false,
            data: base64(data),
          },
        ],
      },
    }),
  }),
];

/** Times in events of EventBridge have no milliseconds. */
function seconds(now: Date): string {
  return now.toISOString().replace(/\.\d+Z$/, "Z");
}
