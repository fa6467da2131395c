-- Invoke through the Lambda API, as an SDK would send it to a node on loopback.
wrk.method = "POST"
wrk.body = '{"path":"/map/quote"}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] =
  "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000"
wrk.headers["X-Amz-Date"] = "20260101T000000Z"
