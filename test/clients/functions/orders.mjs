/** Powertools as its documentation puts it together: logger, metrics and tracer around a handler, through middy. */
import { Logger } from "@aws-lambda-powertools/logger";
import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { logMetrics } from "@aws-lambda-powertools/metrics/middleware";
import { getParameter } from "@aws-lambda-powertools/parameters/ssm";
import { Tracer } from "@aws-lambda-powertools/tracer";
import { captureLambdaHandler } from "@aws-lambda-powertools/tracer/middleware";
import { middy } from "@middy/core";

const logger = new Logger({ serviceName: "orders" });
const metrics = new Metrics({ namespace: "warehouse", serviceName: "orders" });
const tracer = new Tracer({ serviceName: "orders" });

export const handler = middy(async ({ order }) => {
  logger.appendKeys({ order });
  logger.info("an order came");
  metrics.addMetric("ordersTaken", MetricUnit.Count, 1);
  const depot = await getParameter("/warehouse/depot", { maxAge: 60 });
  return { order, depot };
})
  .use(captureLambdaHandler(tracer))
  .use(injectLambdaContext(logger))
  .use(logMetrics(metrics, { captureColdStartMetric: true }));
