/** Filter patterns as AWS documents them, with what they match and what they do not. */

export interface Example {
  /** Where AWS says so. */
  page: keyof typeof pages;
  pattern: string;
  matches?: readonly string[];
  others?: readonly string[];
}

export const pages = {
  syntax: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html",
  json: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html",
  test: "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TestMetricFilter.html",
};

const bad = "[ERROR 400] BAD REQUEST";
const unauthorized = "[ERROR 401] UNAUTHORIZED REQUEST";
const missing = "[ERROR 419] MISSING ARGUMENTS";
const invalidArguments = "[ERROR 420] INVALID ARGUMENTS";

const trail = JSON.stringify({
  eventType: "UpdateTrail",
  sourceIPAddress: "111.111.111.111",
  arrayKey: ["value", "another value"],
  objectList: [
    { name: "a", id: 1 },
    { name: "b", id: 2 },
  ],
  SomeObject: null,
  ThisFlag: true,
  "cluster.name": "c",
});
const user = JSON.stringify({
  user: { id: 1, email: "John.Stiles@example.com" },
  users: [
    { id: 2, email: "John.Doe@example.com" },
    { id: 3, email: "Jane.Doe@example.com" },
  ],
  actions: ["GET", "PUT", "DELETE"],
  coordinates: [
    [0, 1, 2],
    [4, 5, 6],
    [7, 8, 9],
  ],
});
const access = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534';
const get = "INFO 09/25/2014 12:00:00 GET /service/resource/67 1200";
const post = "INFO 09/25/2014 12:00:01 POST /service/resource/67/part/111 1310";
const warning = "WARNING 09/25/2014 12:00:02 Invalid user request";
const failed = "ERROR 09/25/2014 12:00:02 Failed to process request";

export const examples: readonly Example[] = [
  { page: "syntax", pattern: "", matches: [bad, ""] },
  { page: "syntax", pattern: '" "', matches: [bad] },
  { page: "syntax", pattern: "ERROR", matches: [bad, unauthorized, missing, invalidArguments] },
  { page: "syntax", pattern: "ERROR ARGUMENTS", matches: [missing, invalidArguments], others: [bad, unauthorized] },
  { page: "syntax", pattern: "?ERROR ?ARGUMENTS", matches: [bad, unauthorized, missing, invalidArguments] },
  {
    page: "syntax",
    pattern: "?ERROR ?ARGUMENTS REQUEST",
    matches: ["[INFO] REQUEST FAILED", "[WARN] UNAUTHORIZED REQUEST", "[ERROR] 400 BAD REQUEST"],
    others: ["[ERROR] MISSING ARGUMENTS"],
  },
  {
    page: "syntax",
    pattern: '"INTERNAL SERVER ERROR"',
    matches: ["[ERROR 500] INTERNAL SERVER ERROR"],
    others: ["[ERROR 500] INTERNAL ERROR ON SERVER"],
  },
  { page: "syntax", pattern: "ERROR -ARGUMENTS", matches: [bad, unauthorized], others: [missing, invalidArguments] },
  {
    page: "syntax",
    pattern: "%AUTHORIZED%",
    matches: [unauthorized, "[SUCCESS 200] AUTHORIZED REQUEST"],
    others: [bad],
  },
  { page: "syntax", pattern: "%^[hc]at%", matches: ["hat trick", "cat"], others: ["a hat"] },
  { page: "syntax", pattern: "%[hc]at$%", matches: ["a hat", "cat\n"], others: ["hats"] },
  { page: "syntax", pattern: "%colou?r%", matches: ["color", "colour"], others: ["colr"] },
  { page: "syntax", pattern: "%[a-z]%", matches: ["9z"], others: ["9Z"] },
  { page: "syntax", pattern: "%^a{3,5}$%", matches: ["aaa", "aaaaa"], others: ["aa", "aaaaaa"] },
  { page: "syntax", pattern: "%gray|grey%", matches: ["a grey day", "gray"], others: ["groy"] },
  {
    page: "syntax",
    pattern: "%^starting|^initializing|^shutting down%",
    matches: ["starting up", "shutting down now"],
    others: ["skipping initializing"],
  },
  { page: "syntax", pattern: String.raw`%\[.\]%`, matches: ["value [7] here"], others: ["[77]", "7"] },
  { page: "syntax", pattern: "%ab*c%", matches: ["ac", "abbc"], others: ["adc"] },
  { page: "syntax", pattern: "%ab+c%", matches: ["abc", "abbc"], others: ["ac"] },
  { page: "syntax", pattern: "%.at%", matches: ["4at", " at"], others: ["at"] },
  { page: "syntax", pattern: String.raw`%10\.10\.0\.1%`, matches: ["from 10.10.0.1"], others: ["from 10010,051"] },
  { page: "syntax", pattern: String.raw`%\d\s\w\x3A%`, matches: ["8 a:"], others: ["8a:"] },
  { page: "syntax", pattern: String.raw`%^\D\S\W$%`, matches: ["ab-"], others: ["1b-"] },
  { page: "json", pattern: '{ $.eventType = "UpdateTrail" }', matches: [trail], others: [user, "UpdateTrail"] },
  { page: "json", pattern: "{ $.sourceIPAddress != 123.123.* }", matches: [trail], others: [user] },
  { page: "json", pattern: '{ $.arrayKey[0] = "value" }', matches: [trail], others: [user] },
  { page: "json", pattern: "{ $.eventType = %Trail% }", matches: [trail], others: [user] },
  { page: "json", pattern: "{ $.arrayKey[*] = %val.{2}% }", matches: [trail], others: [user] },
  { page: "json", pattern: String.raw`{ $.* = %111\.111\.111\.1[0-9]{1,2}% }`, matches: [trail], others: [user] },
  { page: "json", pattern: "{ $.['cluster.name'] = \"c\" }", matches: [trail], others: [user] },
  { page: "json", pattern: "{ $.objectList[1].id = 2 }", matches: [trail], others: [user] },
  { page: "json", pattern: "{ $.SomeObject IS NULL }", matches: [trail], others: [user] },
  { page: "json", pattern: "{ $.SomeOtherObject NOT EXISTS }", matches: [trail, user], others: ["not JSON"] },
  { page: "json", pattern: "{ $.ThisFlag IS TRUE }", matches: [trail], others: [user] },
  { page: "json", pattern: "{ $.bandwidth > 75 }", matches: ['{"bandwidth":80}'], others: ['{"bandwidth":75}'] },
  { page: "json", pattern: "{ $.latency < 50 }", matches: ['{"latency":49.5}'], others: ['{"latency":50}'] },
  { page: "json", pattern: "{ $.refreshRate >= 60 }", matches: ['{"refreshRate":60}'] },
  { page: "json", pattern: "{ $.responseTime <= 5 }", matches: ['{"responseTime":5}'] },
  { page: "json", pattern: "{ $.errorCode = 400}", matches: ['{"errorCode":400}'], others: ['{"errorCode":4000}'] },
  {
    page: "json",
    pattern: "{ $.errorCode != 500 }",
    matches: ['{"errorCode":400}'],
    others: ['{"errorCode":500}', "{}"],
  },
  { page: "json", pattern: "{ $.number[0] = 1e+3 }", matches: ['{"number":[1000]}'] },
  { page: "json", pattern: "{ $.number[0] != 1e-3 }", matches: ['{"number":[1000]}'] },
  { page: "json", pattern: "{ $.errorCode = 4* }", matches: ['{"errorCode":404}'], others: ['{"errorCode":504}'] },
  {
    page: "json",
    pattern: '{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }',
    matches: [user],
    others: [trail],
  },
  {
    page: "json",
    pattern:
      '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch" && $.actions[2] = "nonmatch" }',
    matches: [user],
  },
  {
    page: "json",
    pattern:
      '{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch") && $.actions[2] = "nonmatch" }',
    others: [user],
  },
  {
    page: "json",
    pattern: '{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }',
    others: [user],
  },
  { page: "syntax", pattern: "[ip, user, username, timestamp, request, status_code, bytes]", matches: [access] },
  {
    page: "syntax",
    pattern: String.raw`[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]`,
    matches: [access],
    others: [get],
  },
  { page: "syntax", pattern: "[..., request =*.html*, status_code = 4*, bytes]", matches: [access], others: [get] },
  {
    page: "syntax",
    pattern: "[ip, user, username, timestamp, request =*.html*, status_code = 404 || status_code = 410, bytes]",
    matches: [access],
  },
  { page: "syntax", pattern: "[w1=ERROR, w2]", matches: [failed], others: [get, post, warning] },
  { page: "syntax", pattern: "[w1=ERROR || w1=WARNING, w2]", matches: [failed, warning], others: [get, post] },
  { page: "syntax", pattern: "[w1!=ERROR && w1!=WARNING, w2]", matches: [get, post], others: [failed, warning] },
  { page: "syntax", pattern: "[w1=ERROR || w1=%WARN%, w2]", matches: [failed, warning], others: [get, post] },
  {
    page: "syntax",
    pattern: "[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]",
    matches: [get],
    others: [post, warning],
  },
  {
    page: "syntax",
    pattern: "[logLevel, date, time, method, url=%/service/resource/[0-9]+/part/[0-9]+$%, response_time]",
    matches: [post],
    others: [get],
  },
  { page: "test", pattern: "[..., status_code=200, size]", matches: [access.replace("404", "200")], others: [access] },
  { page: "test", pattern: "[..., size > 1000]", matches: [access], others: [access.replace("1534", "534")] },
  { page: "test", pattern: "[]", matches: [access, ""] },
];
