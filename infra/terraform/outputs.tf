output "authorizer_arn" {
  description = "The authorizer's alias."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "AuthorizerArn", null)
}

output "authorizer_uri" {
  description = "The authorizer, for authorizer_uri of an API's authorizer."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "AuthorizerUri", null)
}

output "invoke_role_arn" {
  description = "The role as which an API invokes the authorizer: its authorizer_credentials."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "InvokeRoleArn", null)
}

output "identity_sources" {
  description = "The headers that an API's authorizer has as identity sources: API Gateway answers 401 by itself without all of them. Empty for either: an authorizer of type REQUEST without identity sources."
  value = {
    token  = ["Authorization"]
    key    = ["x-api-key"]
    both   = ["Authorization", "x-api-key"]
    either = []
  }[var.credentials]
}

output "table_name" {
  description = "The table, for TOLLGATE_TABLE of the command line."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "TableName", null)
}

output "table_arn" {
  description = "The table, for roles of your services."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "TableArn", null)
}

output "table_stream_arn" {
  description = "The table's stream, or null."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "TableStreamArn", null)
}

output "usage_plan_id" {
  description = "The usage plan to put your API's stage under, or null."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "UsagePlanId", null)
}

output "usage_key_id" {
  description = "The usage plan's key, or null."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "UsageKeyId", null)
}

output "alarm_topic_arn" {
  description = "The topic of the alarms."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "AlarmTopicArn", null)
}

output "dashboard_url" {
  description = "The dashboard."
  value       = lookup(aws_cloudformation_stack.tollgate.outputs, "DashboardUrl", null)
}
