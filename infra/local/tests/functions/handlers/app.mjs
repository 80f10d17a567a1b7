// A handler as Lambda's Node runtime calls it.
export const handler = async (event, context) => {
  if (event.path.endsWith('/fail')) throw new TypeError('no');
  const told = { name: context.functionName, left: context.getRemainingTimeInMillis() > 0 };
  return { statusCode: 200, body: JSON.stringify(told) };
};
