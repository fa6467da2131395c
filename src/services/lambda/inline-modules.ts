/**
 * The modules that AWS adds to code written into a template, by which a custom resource answers its stack. The call is
 * AWS's; the code is Mikan's. Source: user guide, "cfn-response module".
 */

/** `require("cfn-response")`: resolves when the answer was taken, and completes the invocation as AWS's does. */
export const nodeResponseModule = `"use strict";
const https = require("https");

exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = (event, context, Status, Data, physicalResourceId, noEcho) => {
  const body = JSON.stringify({
    Status,
    Reason: "See the details in CloudWatch Log Stream: " + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data,
  });
  console.log("Response body:\\n", body);
  const url = new URL(event.ResponseURL);
  const headers = { "content-type": "", "content-length": Buffer.byteLength(body) };
  const options = { hostname: url.hostname, port: 443, path: url.pathname + url.search, method: "PUT", headers };
  const done = () => (typeof context.done === "function" ? context.done() : undefined);
  return new Promise((resolve, reject) => {
    const request = https.request(options, (response) => {
      response.resume();
      console.log("Status code: " + response.statusCode);
      resolve(done());
    });
    request.on("error", (error) => {
      console.log("send(..) failed executing https.request(..): " + error);
      reject(done() ?? error);
    });
    request.end(body);
  });
};
`;

/** `import cfnresponse`. It needs nothing but Python. */
export const pythonResponseModule = `import json
from urllib.request import Request, urlopen

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False, reason=None):
    body = json.dumps(
        {
            "Status": responseStatus,
            "Reason": reason or "See the details in CloudWatch Log Stream: {}".format(context.log_stream_name),
            "PhysicalResourceId": physicalResourceId or context.log_stream_name,
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "NoEcho": noEcho,
            "Data": responseData,
        }
    )
    print("Response body:")
    print(body)
    try:
        request = Request(event["ResponseURL"], data=body.encode(), method="PUT", headers={"content-type": ""})
        with urlopen(request) as response:
            print("Status code:", response.status)
    except OSError as error:
        print("send(..) failed executing urlopen(..):", error)
`;
