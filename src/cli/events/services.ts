/** What other services ask functions for: resources of a stack, steps, jobs, checks, mails, things. */
import { arn, json, template, uuid } from "./template.ts";

const stack = "MyStack";

export const services = [
  template({
    name: "cloudformation-create-request",
    summary: "a custom resource of a stack (type=Create, Update or Delete; properties={...})",
    source: "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes.html",
    parameters: {
      type: "Create",
      resourceType: "Custom::MyCustomResource",
      logicalId: "MyCustomResource",
      physicalId: "custom-resource-physical-id",
      properties: '{"Key":"value"}',
      url: "http://127.0.0.1:9/response",
      function: "my-function",
    },
    event({ type, resourceType, logicalId, physicalId, properties, url, function: name }, occasion) {
      const ServiceToken = arn("lambda", occasion, `function:${name}`);
      const ResourceProperties = { ServiceToken, ...Object(json("properties", properties)) } as object;
      return {
        RequestType: type,
        ServiceToken,
        ResponseURL: url,
        StackId: arn("cloudformation", occasion, `stack/${stack}/9f2c1a30-0000-4000-8000-000000000000`),
        RequestId: uuid(),
        LogicalResourceId: logicalId,
        ...(type === "Create" ? {} : { PhysicalResourceId: physicalId }),
        ResourceType: resourceType,
        ResourceProperties,
        ...(type === "Update" ? { OldResourceProperties: { ServiceToken } } : {}),
      };
    },
  }),
  template({
    name: "stepfunctions-task",
    summary: "a task with its token (.waitForTaskToken); input={...}",
    source: "https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html",
    parameters: { token: "AAAAKgAAAAIAAAAAAAAAAexample", input: '{"orderId":"1"}' },
    event: ({ token, input }) => ({ input: json("input", input), token }),
  }),
  template({
    name: "stepfunctions-error",
    summary: "the error that a Catch hands on",
    source: "https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html",
    parameters: { error: "States.TaskFailed", cause: "A task failed" },
    event: ({ error, cause }) => ({ Error: error, Cause: cause }),
  }),
  template({
    name: "ses-email-receipt",
    summary: "a mail that SES received",
    source: "https://docs.aws.amazon.com/ses/latest/dg/receiving-email-action-lambda-event.html",
    parameters: { from: "janedoe@example.com", to: "johndoe@example.com", subject: "Test Subject" },
    event({ from, to, subject }, occasion) {
      const timestamp = occasion.now.toISOString();
      const date = occasion.now.toUTCString();
      const passed = { status: "PASS" };
      return {
        Records: [
          {
            eventSource: "aws:ses",
            eventVersion: "1.0",
            ses: {
              mail: {
                timestamp,
                source: from,
                messageId: "o3vrnil0e2ic28tr",
                destination: [to],
                headersTruncated: false,
                headers: [
                  { name: "Return-Path", value: `<${from}>` },
                  { name: "From", value: from },
                  { name: "To", value: to },
                  { name: "Date", value: date },
                  { name: "Subject", value: subject },
                ],
                commonHeaders: {
                  returnPath: from,
                  from: [from],
                  date,
                  to: [to],
                  messageId: "<0123456789example.com>",
                  subject,
                },
              },
              receipt: {
                timestamp,
                processingTimeMillis: 574,
                recipients: [to],
                spamVerdict: passed,
                virusVerdict: passed,
                spfVerdict: passed,
                dkimVerdict: passed,
                dmarcVerdict: passed,
                action: {
                  type: "Lambda",
                  functionArn: arn("lambda", occasion, "function:Example"),
                  invocationType: "Event",
                },
              },
            },
          },
        ],
      };
    },
  }),
  template({
    name: "iot-button",
    summary: "a click of a button",
    source: "https://docs.aws.amazon.com/lambda/latest/dg/services-iot.html",
    parameters: { serial: "ABCDEFG12345", click: "SINGLE", voltage: "2000 mV" },
    event: ({ serial, click, voltage }) => ({ serialNumber: serial, clickType: click, batteryVoltage: voltage }),
  }),
  template({
    name: "config-item-change-notification",
    summary: "a change that a rule of Config looks at",
    source:
      "https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules_example-events.html",
    parameters: { rule: "change-triggered-config-rule", resourceType: "AWS::EC2::Instance", resourceId: "i-00000000" },
    event({ rule, resourceType, resourceId }, occasion) {
      const time = occasion.now.toISOString();
      const configurationItem = {
        configurationItemCaptureTime: time,
        awsAccountId: occasion.account,
        configurationItemStatus: "OK",
        resourceId,
        ARN: arn("ec2", occasion, `instance/${resourceId}`),
        awsRegion: occasion.region,
        availabilityZone: `${occasion.region}a`,
        resourceType,
        tags: {},
        relationships: [],
        configuration: {},
      };
      return {
        invokingEvent: JSON.stringify({
          configurationItem,
          notificationCreationTime: time,
          messageType: "ConfigurationItemChangeNotification",
          recordVersion: "1.2",
        }),
        ruleParameters: "{}",
        resultToken: "myResultToken",
        eventLeftScope: false,
        executionRoleArn: `arn:aws:iam::${occasion.account}:role/config-role`,
        configRuleArn: arn("config", occasion, "config-rule/config-rule-0123456"),
        configRuleName: rule,
        configRuleId: "config-rule-0123456",
        accountId: occasion.account,
        version: "1.0",
      };
    },
  }),
  template({
    name: "config-periodic-rule",
    summary: "a rule of Config that runs by the clock",
    source:
      "https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules_example-events.html",
    parameters: { rule: "periodic-config-rule" },
    event: ({ rule }, occasion) => ({
      invokingEvent: JSON.stringify({
        awsAccountId: occasion.account,
        notificationCreationTime: occasion.now.toISOString(),
        messageType: "ScheduledNotification",
        recordVersion: "1.0",
      }),
      ruleParameters: "{}",
      resultToken: "myResultToken",
      eventLeftScope: false,
      executionRoleArn: `arn:aws:iam::${occasion.account}:role/config-role`,
      configRuleArn: arn("config", occasion, "config-rule/config-rule-6543210"),
      configRuleName: rule,
      configRuleId: "config-rule-6543210",
      accountId: occasion.account,
      version: "1.0",
    }),
  }),
  template({
    name: "codepipeline-job",
    summary: "an Invoke action of a pipeline",
    source:
      "https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html#actions-invoke-lambda-function-json-event-example",
    parameters: { job: "11111111-abcd-1111-abcd-111111abcdef", function: "my-function", parameters: "" },
    event: ({ job, function: name, parameters }, { account }) => ({
      "CodePipeline.job": {
        id: job,
        accountId: account,
        data: {
          actionConfiguration: {
            configuration: { FunctionName: name, ...(parameters === "" ? {} : { UserParameters: parameters }) },
          },
          inputArtifacts: [
            {
              location: {
                s3Location: { bucketName: "example-bucket", objectKey: "example/artifact.zip" },
                type: "S3",
              },
              revision: null,
              name: "ArtifactName",
            },
          ],
          outputArtifacts: [],
          artifactCredentials: {
            secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            sessionToken: "EXAMPLE",
            accessKeyId: "AKIAIOSFODNN7EXAMPLE",
          },
          continuationToken: "a-continuation-token",
        },
      },
    }),
  }),
  template({
    name: "secretsmanager-rotation",
    summary: "a step of a secret's rotation",
    source: "https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html",
    parameters: { step: "createSecret", secret: "my-secret-a1b2c3", token: "7b7a1c1e-0000-4000-8000-000000000000" },
    event: ({ step, secret, token }, occasion) => ({
      Step: step,
      SecretId: arn("secretsmanager", occasion, `secret:${secret}`),
      ClientRequestToken: token,
    }),
  }),
];
