import { expect, it } from "vitest";
import { imageOfRuntime } from "./runtime-images.ts";

it.each([
  ["nodejs24.x", "public.ecr.aws/lambda/nodejs:24"],
  ["python3.13", "public.ecr.aws/lambda/python:3.13"],
  ["java21", "public.ecr.aws/lambda/java:21"],
  ["java8.al2", "public.ecr.aws/lambda/java:8.al2"],
  ["dotnet8", "public.ecr.aws/lambda/dotnet:8"],
  ["ruby3.4", "public.ecr.aws/lambda/ruby:3.4"],
  ["provided.al2023", "public.ecr.aws/lambda/provided:al2023"],
  ["provided.al2", "public.ecr.aws/lambda/provided:al2"],
  ["go1.x", undefined],
  ["provided", undefined],
])("%s runs in %s", (runtime, image) => {
  expect(imageOfRuntime(runtime)).toBe(image);
});
