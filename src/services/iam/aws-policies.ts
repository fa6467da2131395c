/**
 * The policies that AWS itself manages and that services are mostly built with. Others can be attached by their ARN, and
 * then have no document here. Source: "AWS Managed Policy Reference Guide"; the statements say what the newest version
 * of each allows.
 */

export interface AwsPolicy {
  arn: string;
  name: string;
  path: string;
  document: string;
}

const prefix = "arn:aws:iam::aws:policy";
const service = "/service-role/";

const allow = (Action: string | readonly string[], Resource: string | readonly string[] = "*") => ({
  Effect: "Allow",
  Action,
  Resource,
});

function policy(name: string, path: string, ...Statement: readonly object[]): AwsPolicy {
  const document = JSON.stringify({ Version: "2012-10-17", Statement });
  return { arn: `${prefix}${path}${name}`, name, path, document };
}

const logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];
const networkInterfaces = [
  "ec2:CreateNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:DeleteNetworkInterface",
  "ec2:AssignPrivateIpAddresses",
  "ec2:UnassignPrivateIpAddresses",
];

export const awsPolicies: readonly AwsPolicy[] = [
  policy("AdministratorAccess", "/", allow("*")),
  policy(
    "PowerUserAccess",
    "/",
    { Effect: "Allow", NotAction: ["iam:*", "organizations:*", "account:*"], Resource: "*" },
    allow([
      "account:GetAccountInformation",
      "account:GetPrimaryEmail",
      "account:ListRegions",
      "iam:CreateServiceLinkedRole",
      "iam:DeleteServiceLinkedRole",
      "iam:ListRoles",
      "organizations:DescribeOrganization",
    ]),
  ),
  policy("AmazonS3FullAccess", "/", allow(["s3:*", "s3-object-lambda:*"])),
  policy(
    "AmazonS3ReadOnlyAccess",
    "/",
    allow(["s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"]),
  ),
  policy("AmazonSQSFullAccess", "/", allow("sqs:*")),
  policy(
    "AmazonSQSReadOnlyAccess",
    "/",
    allow([
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:ListDeadLetterSourceQueues",
      "sqs:ListQueues",
      "sqs:ListMessageMoveTasks",
      "sqs:ListQueueTags",
    ]),
  ),
  policy("AmazonSNSFullAccess", "/", allow("sns:*")),
  policy("AmazonKinesisFullAccess", "/", allow("kinesis:*")),
  policy("AmazonKinesisReadOnlyAccess", "/", allow(["kinesis:Get*", "kinesis:List*", "kinesis:Describe*"])),
  policy("CloudWatchLogsFullAccess", "/", allow(["logs:*", "cloudwatch:GenerateQuery"])),
  policy(
    "AWSXRayDaemonWriteAccess",
    "/",
    allow([
      "xray:PutTraceSegments",
      "xray:PutTelemetryRecords",
      "xray:GetSamplingRules",
      "xray:GetSamplingTargets",
      "xray:GetSamplingStatisticSummaries",
    ]),
  ),
  policy("AWSLambdaBasicExecutionRole", service, allow(logs)),
  policy("AWSLambdaVPCAccessExecutionRole", service, allow([...logs, ...networkInterfaces])),
  policy(
    "AWSLambdaSQSQueueExecutionRole",
    service,
    allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", ...logs]),
  ),
  policy(
    "AWSLambdaKinesisExecutionRole",
    service,
    allow([
      "kinesis:DescribeStream",
      "kinesis:DescribeStreamSummary",
      "kinesis:GetRecords",
      "kinesis:GetShardIterator",
      "kinesis:ListShards",
      "kinesis:ListStreams",
      "kinesis:SubscribeToShard",
      ...logs,
    ]),
  ),
  policy(
    "AWSLambdaDynamoDBExecutionRole",
    service,
    allow([
      "dynamodb:DescribeStream",
      "dynamodb:GetRecords",
      "dynamodb:GetShardIterator",
      "dynamodb:ListStreams",
      ...logs,
    ]),
  ),
  policy("AWSLambdaRole", service, allow("lambda:InvokeFunction")),
  policy(
    "AmazonECSTaskExecutionRolePolicy",
    service,
    allow([
      "ecr:GetAuthorizationToken",
      "ecr:BatchCheckLayerAvailability",
      "ecr:GetDownloadUrlForLayer",
      "ecr:BatchGetImage",
      "logs:CreateLogStream",
      "logs:PutLogEvents",
    ]),
  ),
  policy(
    "AmazonAPIGatewayPushToCloudWatchLogs",
    service,
    allow([
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DescribeLogGroups",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
      "logs:GetLogEvents",
      "logs:FilterLogEvents",
    ]),
  ),
];

const byArn = new Map(awsPolicies.map((each) => [each.arn, each]));

export const awsPolicy = (arn: string): AwsPolicy | undefined => byArn.get(arn);
export const isAwsPolicy = (arn: string): boolean => /^arn:aws[a-z-]*:iam::aws:policy\/./.test(arn);

/** All of them are shown as made at this time, in one version: AWS's dates and numbers say nothing here. */
export const awsPolicyMs = Date.UTC(2015, 1, 6, 18, 40, 0);
export const awsPolicyVersion = 1;
