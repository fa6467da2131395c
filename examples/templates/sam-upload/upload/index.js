const { sizeOf } = require("formats");

exports.handler = async ({ Records }) => {
  for (const { s3 } of Records) console.log(`${s3.object.key} has ${sizeOf(s3.object.size)}`);
};
