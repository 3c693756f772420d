variable "name" {
  description = "Prefix of resource names."
  type        = string
}

variable "region" {
  description = "Region that is watched."
  type        = string
}

variable "code" {
  description = "The region's short code: dashboards of all regions share one list."
  type        = string
}

variable "log_key_arn" {
  description = "Key of alarms and logs."
  type        = string
}

variable "email" {
  description = "Address that alarms are mailed to; null: none."
  type        = string
}

variable "detailed" {
  description = "Whether there are alarms on trends too, not on failures alone."
  type        = bool
}

variable "edge" {
  description = "The load balancer of the edges, as CloudWatch names it."
  type        = object({ arn_suffix = string, target_suffix = string })
}

variable "sql" {
  description = "The SQL load balancer, as CloudWatch names it."
  type        = object({ balancer = string, target = string })
}

variable "cache_ids" {
  description = "Members of the cache."
  type        = list(string)
}

variable "instances" {
  description = "EC2 instances by what they are."
  type        = map(string)
}

variable "prometheus" {
  description = "Whether there is a managed Prometheus, with a global view."
  type        = bool
}

variable "rules" {
  description = "Rules of the global view, by the name of their file."
  type        = map(string)
}

variable "account_id" {
  description = "AWS account."
  type        = string
}
