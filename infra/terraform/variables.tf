variable "name" {
  description = "The stack's name, and the folder of its packages in the bucket."
  type        = string
  default     = "tollgate"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,99}$", var.name))
    error_message = "Must be 1 to 100 letters, digits and hyphens, from a letter."
  }
}

variable "code_bucket" {
  description = "The bucket in this Region that the packages go to."
  type        = string
}

variable "packages" {
  description = "The folder of the release's packages: authorizer-arm64.zip and plans-arm64.zip."
  type        = string

  validation {
    condition     = fileexists("${var.packages}/authorizer-${var.architecture}.zip") && fileexists("${var.packages}/plans-${var.architecture}.zip")
    error_message = "No package for this architecture: download authorizer-ARCHITECTURE.zip and plans-ARCHITECTURE.zip of the release into the folder."
  }

  # Terraform cannot look into a zip. The release's digests tell a package for another processor.
  validation {
    condition = !fileexists("${var.packages}/SHA256SUMS") || alltrue([
      for package in ["authorizer", "plans"] : strcontains(
        try(file("${var.packages}/SHA256SUMS"), ""),
        "${try(filesha256("${var.packages}/${package}-${var.architecture}.zip"), "")}  ${package}-${var.architecture}.zip",
      )
    ])
    error_message = "A package is not the release's: SHA256SUMS has another digest. It may be for another processor, or damaged: download it again."
  }
}

variable "credentials" {
  description = "What a caller sends: a token, an API key in x-api-key (key), one of the two (either), or both. Keys are made by `tollgate key create`."
  type        = string
  default     = "token"

  validation {
    condition     = contains(["token", "key", "either", "both"], var.credentials)
    error_message = "Must be token, key, either or both."
  }
}

variable "user_pool_id" {
  description = "The user pool whose tokens are accepted. Not needed for keys alone."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^(eusc-[a-z]{2}|[a-z]{2})-(gov-)?[a-z]+-[0-9]_[A-Za-z0-9]{1,55}$", var.user_pool_id))
    error_message = "Must be a user pool's id, us-east-1_abcDEF123 for example."
  }
}

variable "client_ids" {
  description = "The app clients of that pool whose tokens are accepted. Not needed for keys alone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.client_ids : can(regex("^[A-Za-z0-9_+]{1,128}$", id))])
    error_message = "Must be app clients' ids."
  }
}

variable "rules" {
  description = "Who may call what: the [[rule]] tables of the authorizer's configuration, as TOML."
  type        = string
  default     = ""

  validation {
    condition     = length(var.rules) <= 2800
    error_message = "Has more than 2,800 characters: put the configuration into a layer."
  }
}

variable "configuration_layer" {
  description = "A layer's version with tollgate.toml in it: the whole configuration."
  type        = string
  default     = ""

  validation {
    condition     = var.configuration_layer != "" || (var.rules != "" && (var.credentials == "key" || (var.user_pool_id != "" && length(var.client_ids) > 0)))
    error_message = "Give user_pool_id, client_ids and rules; with credentials = \"key\" rules alone; or a configuration_layer."
  }
}

variable "plans" {
  description = "Plans by name, each as API Gateway writes it. They are in the table when the deployment ends."
  type        = any
  default = {
    free = {
      throttle = { rateLimit = 5, burstLimit = 10 }
      quota    = { limit = 1000, period = "DAY" }
    }
  }

  validation {
    condition     = alltrue([for name, plan in var.plans : can(regex("^[A-Za-z0-9_.-]{1,64}$", name))])
    error_message = "A plan's name has 1 to 64 letters, digits, dots, hyphens and underscores."
  }
}

variable "default_plan" {
  description = "The plan of callers without another."
  type        = string
  default     = "free"

  validation {
    condition     = contains(keys(var.plans), var.default_plan)
    error_message = "Must be one of plans."
  }
}

variable "assigned_plans" {
  description = "Whether the authorizer asks the table for each caller's plan."
  type        = bool
  default     = true
}

variable "refusal" {
  description = "How a caller over its limits gets 429: unknown-key, from API Gateway, or context, from the backend."
  type        = string
  default     = "unknown-key"

  validation {
    condition     = contains(["unknown-key", "context"], var.refusal)
    error_message = "Must be unknown-key or context."
  }
}

variable "failure" {
  description = "The decision while the table is unavailable: closed or open."
  type        = string
  default     = "closed"

  validation {
    condition     = contains(["closed", "open"], var.failure)
    error_message = "Must be closed or open."
  }
}

variable "table_timeout_ms" {
  description = "Milliseconds for one call to the table, connecting included."
  type        = number
  default     = 500

  validation {
    condition     = var.table_timeout_ms >= 10 && var.table_timeout_ms <= 5000
    error_message = "Must be 10 to 5000."
  }
}

variable "revocation_cache_seconds" {
  description = "Seconds until a revocation has reached every execution environment."
  type        = number
  default     = 60

  validation {
    condition     = var.revocation_cache_seconds >= 0 && var.revocation_cache_seconds <= 3600
    error_message = "Must be 0 to 3600."
  }
}

variable "architecture" {
  description = "The processor that the packages are built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Must be arm64 or x86_64."
  }
}

variable "memory_size" {
  description = "Megabytes of memory of each function."
  type        = number
  default     = 256

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240
    error_message = "Must be 128 to 10240."
  }
}

variable "reserved_concurrency" {
  description = "Execution environments that are reserved for the authorizer, and its most; 0 for none."
  type        = number
  default     = 0

  validation {
    condition     = var.reserved_concurrency >= 0
    error_message = "Must not be negative."
  }
}

variable "deployment" {
  description = "How traffic moves to a new version."
  type        = string
  default     = "AllAtOnce"

  validation {
    condition     = contains(["AllAtOnce", "Canary10Percent5Minutes", "Linear10PercentEvery1Minute"], var.deployment)
    error_message = "Must be AllAtOnce, Canary10Percent5Minutes or Linear10PercentEvery1Minute."
  }
}

variable "log_level" {
  description = "The level of every function's log: INFO or DEBUG."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["INFO", "DEBUG"], var.log_level)
    error_message = "Must be INFO or DEBUG."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "key_arn" {
  description = "A KMS key for the table and the logs. Empty: keys that AWS owns."
  type        = string
  default     = ""
}

variable "deletion_protection" {
  description = "Whether the table refuses to be deleted by hand."
  type        = bool
  default     = false
}

variable "alarm_email" {
  description = "The address that gets a message when an alarm changes, or empty."
  type        = string
  default     = ""
}

variable "api_name" {
  description = "The name of the REST API, for its alarm and its part of the dashboard."
  type        = string
  default     = ""
}

variable "stage_name" {
  description = "The stage of that API."
  type        = string
  default     = "v1"
}

variable "stream" {
  description = "Whether the table has a stream, for notices about quotas."
  type        = bool
  default     = false
}
