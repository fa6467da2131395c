/**
 * Where functions answer CloudFormation. AWS's response URLs are https ones of S3, and much of the code that answers takes
 * nothing but host and path of them and calls port 443. So functions in Node.js and Python are told this host, and their
 * runtimes take https requests to it, and to no other, to the node's endpoint. See docs/decisions/007.
 */
export const responseHost = "cloudformation-custom-resource-response.localhost";

/** Before `account/region/stack/callback` of what answers CloudFormation, at whichever host. */
export const responsePath = "/_mikan/cloudformation/responses/";
