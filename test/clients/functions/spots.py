"""Powertools for Python: logger, metrics, and its resolver for function URLs."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="spots")
metrics = Metrics(namespace="warehouse", service="spots")
app = LambdaFunctionUrlResolver()


@app.get("/spots/<spot>")
def spot(spot: str):
    if spot == "0":
        raise NotFoundError("there is no such spot")
    metrics.add_metric(name="spotsShown", unit=MetricUnit.Count, value=1)
    logger.info("a spot was asked for", extra={"spot": spot})
    return {"spot": spot, "near": app.current_event.query_string_parameters.get("near")}


@logger.inject_lambda_context(correlation_id_path=correlation_paths.LAMBDA_FUNCTION_URL)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)
