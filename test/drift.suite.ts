/** One resource of every type, each with what drift could find changed; for `drift.test.ts`. */

const statement = (Action: string | string[]) => ({ Effect: "Allow", Action, Resource: "*" });
/** A policy that allows an action. */
export const document = (Action: string | string[]) => ({ Version: "2012-10-17", Statement: [statement(Action)] });
const trust = (Service: string) => ({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service }, Action: "sts:AssumeRole" }],
});
const ref = (Ref: string) => ({ Ref });
const arn = (id: string, attribute = "Arn") => ({ "Fn::GetAtt": [id, attribute] });
const readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const mayReceive = (queue: string) => ({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::123456789012:root" },
      Action: "sqs:ReceiveMessage",
      Resource: arn(queue),
    },
  ],
});
const code = { ZipFile: "exports.handler = async () => 'ok';" };

/** By logical id: the type, its properties, and what stands beside them. `port`: of the listener; `url`: of the nested template. */
export const everyType = (port: number, url: string): Record<string, [string, object, object?]> => ({
  Bucket: [
    "AWS::S3::Bucket",
    {
      VersioningConfiguration: { Status: "Enabled" },
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: "true" },
      OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
      },
      CorsConfiguration: {
        CorsRules: [{ Id: "a", AllowedMethods: ["GET"], AllowedOrigins: ["*"], MaxAge: 60, ExposedHeaders: ["ETag"] }],
      },
      LifecycleConfiguration: {
        Rules: [
          { Id: "old", Status: "Enabled", Prefix: "logs/", ExpirationInDays: 30 },
          { Id: "tagged", Status: "Enabled", TagFilters: [{ Key: "a", Value: "b" }], ExpirationInDays: "7" },
          { Id: "parts", Status: "Enabled", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
          { Id: "versions", Status: "Enabled", NoncurrentVersionExpiration: { NoncurrentDays: 3 } },
        ],
      },
      WebsiteConfiguration: { IndexDocument: "index.html", ErrorDocument: "error.html" },
      Tags: [{ Key: "own", Value: "1" }],
    },
  ],
  BucketPolicy: [
    "AWS::S3::BucketPolicy",
    {
      Bucket: ref("Bucket"),
      PolicyDocument: {
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Principal: { AWS: "000000000000" },
            Action: "s3:GetObject",
            Resource: { "Fn::Sub": "${Bucket.Arn}/*" },
          },
        ],
      },
    },
  ],
  Role: [
    "AWS::IAM::Role",
    {
      AssumeRolePolicyDocument: trust("lambda.amazonaws.com"),
      Description: "runs it",
      MaxSessionDuration: "3600",
      ManagedPolicyArns: [readOnly],
      Policies: [{ PolicyName: "own", PolicyDocument: document(["s3:GetObject", "s3:PutObject"]) }],
      Tags: [{ Key: "own", Value: "1" }],
    },
  ],
  Profile: ["AWS::IAM::InstanceProfile", { Roles: [ref("Role")], Path: "/" }],
  Group: ["AWS::IAM::Group", { Policies: [{ PolicyName: "own", PolicyDocument: document("s3:*") }] }],
  User: ["AWS::IAM::User", { Groups: [ref("Group")], Tags: [{ Key: "own", Value: "1" }] }],
  OtherUser: ["AWS::IAM::User", {}],
  Members: ["AWS::IAM::UserToGroupAddition", { GroupName: ref("Group"), Users: [ref("OtherUser")] }],
  AccessKey: ["AWS::IAM::AccessKey", { UserName: ref("User"), Status: "Active", Serial: 1 }],
  ManagedPolicy: [
    "AWS::IAM::ManagedPolicy",
    { Description: "all of it", PolicyDocument: document("sqs:*"), Roles: [ref("Role")] },
  ],
  Policy: [
    "AWS::IAM::Policy",
    { PolicyName: "written", PolicyDocument: document("sns:*"), Roles: [ref("Role")], Groups: [ref("Group")] },
  ],
  RolePolicy: ["AWS::IAM::RolePolicy", { PolicyName: "r", PolicyDocument: document("sns:*"), RoleName: ref("Role") }],
  UserPolicy: ["AWS::IAM::UserPolicy", { PolicyName: "u", PolicyDocument: document("sns:*"), UserName: ref("User") }],
  GroupPolicy: [
    "AWS::IAM::GroupPolicy",
    { PolicyName: "g", PolicyDocument: document("sns:*"), GroupName: ref("Group") },
  ],
  Logs: ["AWS::Logs::LogGroup", { RetentionInDays: "7", Tags: [{ Key: "own", Value: "1" }] }],
  Key: [
    "AWS::KMS::Key",
    {
      Description: "seals it",
      EnableKeyRotation: true,
      PendingWindowInDays: 7,
      KeyPolicy: {
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Principal: { AWS: { "Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root" } },
            Action: "kms:*",
            Resource: "*",
          },
        ],
      },
      Tags: [{ Key: "own", Value: "1" }],
    },
  ],
  OtherKey: ["AWS::KMS::Key", { Description: "another" }],
  KeyAlias: ["AWS::KMS::Alias", { AliasName: "alias/drift", TargetKeyId: arn("Key") }],
  Parameter: ["AWS::SSM::Parameter", { Type: "String", Value: "80", Description: "port", Tags: { own: "1" } }],
  Secret: [
    "AWS::SecretsManager::Secret",
    { Description: "of it", GenerateSecretString: { PasswordLength: 20 }, Tags: [{ Key: "own", Value: "1" }] },
  ],
  SecretPolicy: [
    "AWS::SecretsManager::ResourcePolicy",
    {
      SecretId: ref("Secret"),
      ResourcePolicy: {
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Deny",
            Principal: { AWS: "arn:aws:iam::000000000000:root" },
            Action: "secretsmanager:DeleteSecret",
            Resource: "*",
          },
        ],
      },
    },
  ],
  Rotation: [
    "AWS::SecretsManager::RotationSchedule",
    {
      SecretId: ref("Secret"),
      RotationLambdaARN: arn("Function"),
      RotationRules: { AutomaticallyAfterDays: "30" },
      RotateImmediatelyOnUpdate: false,
    },
    { DependsOn: "RotationPermission" },
  ],
  Queue: [
    "AWS::SQS::Queue",
    {
      DelaySeconds: "5",
      VisibilityTimeout: 60,
      RedrivePolicy: { deadLetterTargetArn: arn("DeadQueue"), maxReceiveCount: 3 },
      Tags: [{ Key: "own", Value: "1" }],
    },
  ],
  DeadQueue: ["AWS::SQS::Queue", { MessageRetentionPeriod: 1_209_600 }],
  FifoQueue: ["AWS::SQS::Queue", { FifoQueue: true, ContentBasedDeduplication: "true" }],
  QueuePolicy: ["AWS::SQS::QueuePolicy", { Queues: [ref("Queue")], PolicyDocument: mayReceive("Queue") }],
  InlinePolicy: ["AWS::SQS::QueueInlinePolicy", { Queue: ref("DeadQueue"), PolicyDocument: mayReceive("DeadQueue") }],
  Function: [
    "AWS::Lambda::Function",
    {
      Code: code,
      Handler: "index.handler",
      Runtime: "nodejs24.x",
      Role: arn("Role"),
      MemorySize: "128",
      Timeout: 5,
      ReservedConcurrentExecutions: 2,
      Environment: { Variables: { STAGE: "test", LEVEL: 3 } },
      Tags: [{ Key: "own", Value: "1" }],
    },
  ],
  Version: ["AWS::Lambda::Version", { FunctionName: ref("Function"), Description: "first" }],
  Alias: [
    "AWS::Lambda::Alias",
    { FunctionName: ref("Function"), Name: "live", FunctionVersion: arn("Version", "Version"), Description: "it" },
  ],
  Permission: [
    "AWS::Lambda::Permission",
    {
      FunctionName: arn("Function"),
      Action: "lambda:InvokeFunction",
      Principal: "s3.amazonaws.com",
      SourceAccount: ref("AWS::AccountId"),
    },
  ],
  RotationPermission: [
    "AWS::Lambda::Permission",
    { FunctionName: ref("Function"), Action: "lambda:InvokeFunction", Principal: "secretsmanager.amazonaws.com" },
  ],
  OtherPermission: [
    "AWS::Lambda::Permission",
    { FunctionName: ref("Function"), Action: "lambda:InvokeFunction", Principal: "123456789012" },
  ],
  LoadBalancer: [
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    {
      Scheme: "internal",
      Subnets: ["subnet-a", "subnet-b"],
      LoadBalancerAttributes: [{ Key: "idle_timeout.timeout_seconds", Value: 30 }],
      Tags: [{ Key: "own", Value: "1" }],
    },
  ],
  TargetGroup: [
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    {
      Port: 80,
      Protocol: "HTTP",
      TargetType: "ip",
      VpcId: "vpc-1",
      HealthCheckPath: "/health",
      Matcher: { HttpCode: "200-299" },
      Targets: [{ Id: "127.0.0.1", Port: 9 }],
      TargetGroupAttributes: [{ Key: "deregistration_delay.timeout_seconds", Value: "0" }],
    },
  ],
  Listener: [
    "AWS::ElasticLoadBalancingV2::Listener",
    {
      LoadBalancerArn: ref("LoadBalancer"),
      Port: port,
      Protocol: "HTTP",
      DefaultActions: [{ Type: "forward", TargetGroupArn: ref("TargetGroup") }],
    },
  ],
  Rule: [
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    {
      ListenerArn: ref("Listener"),
      Priority: 10,
      Conditions: [{ Field: "path-pattern", Values: ["/a/*"] }],
      Actions: [
        {
          Type: "forward",
          ForwardConfig: { TargetGroups: [{ TargetGroupArn: ref("TargetGroup"), Weight: 1 }] },
        },
      ],
    },
  ],
  Child: [
    "AWS::CloudFormation::Stack",
    { TemplateURL: url, Parameters: { Days: 7 }, Tags: [{ Key: "own", Value: "1" }] },
  ],
});
