# The packages go to a bucket of yours; the rest is one CloudFormation stack of the same template that
# the CDK construct deploys, so that both make the same roles, alarms and table.

locals {
  # Without its spaces: a stack's body has at most 51,200 bytes.
  template = jsonencode(jsondecode(file("${path.module}/../authorizer.json")))
  packages = {
    for name in ["authorizer", "plans"] : name => "${var.packages}/${name}-${var.architecture}.zip"
  }
  parameters = {
    Credentials            = var.credentials
    UserPoolId             = var.user_pool_id
    ClientIds              = join(",", var.client_ids)
    Rules                  = var.rules
    ConfigurationLayer     = var.configuration_layer
    Plans                  = jsonencode(var.plans)
    DefaultPlan            = var.default_plan
    AssignedPlans          = tostring(var.assigned_plans)
    Refusal                = var.refusal
    Failure                = var.failure
    TableTimeoutMs         = tostring(var.table_timeout_ms)
    RevocationCacheSeconds = tostring(var.revocation_cache_seconds)
    Architecture           = var.architecture
    MemorySize             = tostring(var.memory_size)
    ReservedConcurrency    = tostring(var.reserved_concurrency)
    Deployment             = var.deployment
    LogLevel               = var.log_level
    LogRetentionDays       = tostring(var.log_retention_days)
    KeyArn                 = var.key_arn
    DeletionProtection     = tostring(var.deletion_protection)
    AlarmEmail             = var.alarm_email
    ApiName                = var.api_name
    StageName              = var.stage_name
    Stream                 = tostring(var.stream)
    CodeBucket             = var.code_bucket
    AuthorizerKey          = aws_s3_object.package["authorizer"].key
    PlansKey               = aws_s3_object.package["plans"].key
  }
}

# Under a new name for new contents: CloudFormation does not look into the bucket.
resource "aws_s3_object" "package" {
  for_each = local.packages

  bucket      = var.code_bucket
  key         = "${var.name}/${each.key}-${var.architecture}-${substr(filesha256(each.value), 0, 16)}.zip"
  source      = each.value
  source_hash = filesha256(each.value)
}

resource "aws_cloudformation_stack" "tollgate" {
  name          = var.name
  template_body = local.template
  parameters    = local.parameters
  capabilities  = ["CAPABILITY_IAM"]
}
