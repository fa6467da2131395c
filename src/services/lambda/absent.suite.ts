/**
 * Every operation on a function, and what it answers when what it names is not there.
 * Source: Lambda API reference, the errors of each operation; the words are those of the service.
 */
import type { TestNode } from "./node.suite.ts";

export interface AbsentCase {
  operation: string;
  call(node: TestNode): Promise<unknown>;
  /** Of `ResourceNotFoundException`, unless `code` says otherwise. */
  message: string;
  code?: string;
}

const arnOf = (suffix = "") => `arn:aws:lambda:us-east-1:000000000000:function:none${suffix}`;
const notFound = (suffix = "") => `Function not found: ${arnOf(suffix)}`;
const FunctionName = "none";
const Statement = { Action: "lambda:InvokeFunction", Principal: "s3.amazonaws.com", StatementId: "s" };

export const absent: readonly AbsentCase[] = [
  {
    operation: "AddPermission",
    call: ({ lambda, call }) => lambda.AddPermission({ FunctionName, ...Statement }, call()),
    message: notFound(),
  },
  {
    operation: "CreateAlias",
    call: ({ lambda, call }) => lambda.CreateAlias({ FunctionName, Name: "a", FunctionVersion: "1" }, call()),
    message: notFound(":1"),
  },
  {
    operation: "CreateFunctionUrlConfig",
    call: ({ lambda, call }) => lambda.CreateFunctionUrlConfig({ FunctionName, AuthType: "NONE" }, call()),
    message: "Function does not exist",
  },
  {
    operation: "DeleteAlias",
    call: ({ lambda, call }) => lambda.DeleteAlias({ FunctionName, Name: "a" }, call()),
    message: notFound(),
  },
  {
    operation: "DeleteFunction",
    call: ({ lambda, call }) => lambda.DeleteFunction({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "DeleteFunctionCodeSigningConfig",
    call: ({ lambda, call }) => lambda.DeleteFunctionCodeSigningConfig({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "DeleteFunctionConcurrency",
    call: ({ lambda, call }) => lambda.DeleteFunctionConcurrency({ FunctionName }, call()),
    message: notFound(":$LATEST"),
  },
  {
    operation: "DeleteFunctionEventInvokeConfig",
    call: ({ lambda, call }) => lambda.DeleteFunctionEventInvokeConfig({ FunctionName }, call()),
    message: `The function ${arnOf(":$LATEST")} doesn't have an EventInvokeConfig`,
  },
  {
    operation: "DeleteProvisionedConcurrencyConfig",
    call: ({ lambda, call }) => lambda.DeleteProvisionedConcurrencyConfig({ FunctionName, Qualifier: "1" }, call()),
    message: notFound(":1"),
  },
  {
    operation: "GetAlias",
    call: ({ lambda, call }) => lambda.GetAlias({ FunctionName, Name: "a" }, call()),
    message: `Cannot find alias arn: ${arnOf(":a")}`,
  },
  {
    operation: "GetFunction",
    call: ({ lambda, call }) => lambda.GetFunction({ FunctionName, Qualifier: "1" }, call()),
    message: notFound(":1"),
  },
  {
    operation: "GetFunctionCodeSigningConfig",
    call: ({ lambda, call }) => lambda.GetFunctionCodeSigningConfig({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "GetFunctionConcurrency",
    call: ({ lambda, call }) => lambda.GetFunctionConcurrency({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "GetFunctionConfiguration",
    call: ({ lambda, call }) => lambda.GetFunctionConfiguration({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "GetFunctionEventInvokeConfig",
    call: ({ lambda, call }) => lambda.GetFunctionEventInvokeConfig({ FunctionName }, call()),
    message: `The function ${arnOf(":$LATEST")} doesn't have an EventInvokeConfig`,
  },
  {
    operation: "GetFunctionRecursionConfig",
    call: ({ lambda, call }) => lambda.GetFunctionRecursionConfig({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "GetPolicy",
    call: ({ lambda, call }) => lambda.GetPolicy({ FunctionName }, call()),
    message: "The resource you requested does not exist.",
  },
  {
    operation: "GetProvisionedConcurrencyConfig",
    call: ({ lambda, call }) => lambda.GetProvisionedConcurrencyConfig({ FunctionName, Qualifier: "1" }, call()),
    code: "ProvisionedConcurrencyConfigNotFoundException",
    message: "No Provisioned Concurrency Config found for this function",
  },
  {
    operation: "GetRuntimeManagementConfig",
    call: ({ lambda, call }) => lambda.GetRuntimeManagementConfig({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "Invoke",
    call: ({ lambda, call }) => lambda.Invoke({ FunctionName, Qualifier: "live" }, call()),
    message: notFound(":live"),
  },
  {
    operation: "InvokeAsync",
    call: ({ lambda, call }) => lambda.InvokeAsync({ FunctionName, InvokeArgs: Buffer.from("{}") }, call()),
    message: notFound(),
  },
  {
    operation: "InvokeWithResponseStream",
    call: ({ lambda, call }) => lambda.InvokeWithResponseStream({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "ListAliases",
    call: ({ lambda, call }) => lambda.ListAliases({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "ListFunctionEventInvokeConfigs",
    call: ({ lambda, call }) => lambda.ListFunctionEventInvokeConfigs({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "ListProvisionedConcurrencyConfigs",
    call: ({ lambda, call }) => lambda.ListProvisionedConcurrencyConfigs({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "ListTags",
    call: ({ lambda, call }) => lambda.ListTags({ Resource: arnOf() }, call()),
    message: notFound(),
  },
  {
    operation: "ListVersionsByFunction",
    call: ({ lambda, call }) => lambda.ListVersionsByFunction({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "PublishVersion",
    call: ({ lambda, call }) => lambda.PublishVersion({ FunctionName }, call()),
    message: notFound(),
  },
  {
    operation: "PutFunctionCodeSigningConfig",
    call: ({ lambda, call }) =>
      lambda.PutFunctionCodeSigningConfig(
        {
          FunctionName,
          CodeSigningConfigArn: "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000",
        },
        call(),
      ),
    message: notFound(),
  },
  {
    operation: "PutFunctionConcurrency",
    call: ({ lambda, call }) =>
      lambda.PutFunctionConcurrency({ FunctionName, ReservedConcurrentExecutions: 1 }, call()),
    message: notFound(":$LATEST"),
  },
  {
    operation: "PutFunctionEventInvokeConfig",
    call: ({ lambda, call }) => lambda.PutFunctionEventInvokeConfig({ FunctionName, MaximumRetryAttempts: 1 }, call()),
    message: notFound(":$LATEST"),
  },
  {
    operation: "PutFunctionRecursionConfig",
    call: ({ lambda, call }) => lambda.PutFunctionRecursionConfig({ FunctionName, RecursiveLoop: "Allow" }, call()),
    message: notFound(),
  },
  {
    operation: "PutProvisionedConcurrencyConfig",
    call: ({ lambda, call }) =>
      lambda.PutProvisionedConcurrencyConfig(
        { FunctionName, Qualifier: "1", ProvisionedConcurrentExecutions: 1 },
        call(),
      ),
    message: notFound(":1"),
  },
  {
    operation: "PutRuntimeManagementConfig",
    call: ({ lambda, call }) => lambda.PutRuntimeManagementConfig({ FunctionName, UpdateRuntimeOn: "Auto" }, call()),
    message: notFound(),
  },
  {
    operation: "RemovePermission",
    call: ({ lambda, call }) => lambda.RemovePermission({ FunctionName, StatementId: "s" }, call()),
    message: `No policy found for: ${arnOf()}`,
  },
  {
    operation: "TagResource",
    call: ({ lambda, call }) => lambda.TagResource({ Resource: arnOf(), Tags: { a: "b" } }, call()),
    message: notFound(),
  },
  {
    operation: "UntagResource",
    call: ({ lambda, call }) => lambda.UntagResource({ Resource: arnOf(), TagKeys: ["a"] }, call()),
    message: notFound(),
  },
  {
    operation: "UpdateAlias",
    call: ({ lambda, call }) => lambda.UpdateAlias({ FunctionName, Name: "a" }, call()),
    message: `Alias not found: ${arnOf(":a")}`,
  },
  {
    operation: "UpdateFunctionCode",
    call: ({ lambda, call }) => lambda.UpdateFunctionCode({ FunctionName, ZipFile: new Uint8Array(1) }, call()),
    message: notFound(),
  },
  {
    operation: "UpdateFunctionConfiguration",
    call: ({ lambda, call }) => lambda.UpdateFunctionConfiguration({ FunctionName, Timeout: 5 }, call()),
    message: notFound(),
  },
  {
    operation: "UpdateFunctionEventInvokeConfig",
    call: ({ lambda, call }) =>
      lambda.UpdateFunctionEventInvokeConfig({ FunctionName, MaximumRetryAttempts: 1 }, call()),
    message: notFound(":$LATEST"),
  },
];

/** Operations of other files' rows, and those that name no function. */
export const elsewhere: readonly string[] = [
  "AddLayerVersionPermission",
  "CreateCodeSigningConfig",
  "CreateEventSourceMapping",
  "CreateFunction",
  "DeleteCodeSigningConfig",
  "DeleteEventSourceMapping",
  "DeleteFunctionUrlConfig",
  "DeleteLayerVersion",
  "GetAccountSettings",
  "GetCodeSigningConfig",
  "GetEventSourceMapping",
  "GetFunctionUrlConfig",
  "GetLayerVersion",
  "GetLayerVersionByArn",
  "GetLayerVersionPolicy",
  "ListCodeSigningConfigs",
  "ListEventSourceMappings",
  "ListFunctionUrlConfigs",
  "ListFunctions",
  "ListFunctionsByCodeSigningConfig",
  "ListLayerVersions",
  "ListLayers",
  "PublishLayerVersion",
  "RemoveLayerVersionPermission",
  "UpdateCodeSigningConfig",
  "UpdateEventSourceMapping",
  "UpdateFunctionUrlConfig",
];
