# What AWS sees of a region. What the product says of itself is in Prometheus: in the cluster, and in prometheus.tf.
resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  region            = var.region
  kms_master_key_id = var.log_key_arn
}

resource "aws_sns_topic_subscription" "email" {
  count = var.email == null ? 0 : 1

  region    = var.region
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

locals {
  alarms = merge(
    {
      "edges-few" = {
        why = "fewer than two healthy edges: callers are about to be sent to other regions"
        of  = ["AWS/NetworkELB", "HealthyHostCount", "Minimum", { LoadBalancer = var.edge.arn_suffix, TargetGroup = var.edge.target_suffix }]
        is  = "LessThanThreshold", limit = 2, minutes = 2, missing = "breaching"
      }
      "database-few" = {
        why = "a database node of the region serves no SQL"
        of  = ["AWS/NetworkELB", "HealthyHostCount", "Minimum", { LoadBalancer = var.sql.balancer, TargetGroup = var.sql.target }]
        is  = "LessThanThreshold", limit = 3, minutes = 5, missing = "breaching"
      }
    },
    { for what, id in var.instances : "machine-${what}" => {
      why = "the machine or what it runs on fails its checks"
      of  = ["AWS/EC2", "StatusCheckFailed", "Maximum", { InstanceId = id }]
      is  = "GreaterThanThreshold", limit = 0, minutes = 3, missing = "breaching"
    } },
    { for id in var.cache_ids : "cache-cpu-${id}" => {
      why = "the cache has no processor left: requests go to the database"
      of  = ["AWS/ElastiCache", "EngineCPUUtilization", "Average", { CacheClusterId = id }]
      is  = "GreaterThanThreshold", limit = 80, minutes = 10, missing = "missing"
    } if var.detailed },
    { for id in var.cache_ids : "cache-memory-${id}" => {
      why = "the cache is full: it forgets what is still wanted"
      of  = ["AWS/ElastiCache", "DatabaseMemoryUsagePercentage", "Average", { CacheClusterId = id }]
      is  = "GreaterThanThreshold", limit = 95, minutes = 30, missing = "missing"
    } if var.detailed },
    { for what, id in var.instances : "processor-${what}" => {
      why = "the machine has no processor left"
      of  = ["AWS/EC2", "CPUUtilization", "Average", { InstanceId = id }]
      is  = "GreaterThanThreshold", limit = 80, minutes = 15, missing = "missing"
    } if var.detailed },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  region              = var.region
  alarm_description   = "${var.region}: ${each.value.why}"
  namespace           = each.value.of[0]
  metric_name         = each.value.of[1]
  statistic           = each.value.of[2]
  dimensions          = each.value.of[3]
  comparison_operator = each.value.is
  threshold           = each.value.limit
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

locals {
  widgets = [
    { title = "Callers: new connections, bytes", metrics = [
      ["AWS/NetworkELB", "NewFlowCount", "LoadBalancer", var.edge.arn_suffix, { stat = "Sum" }],
      ["AWS/NetworkELB", "ProcessedBytes", "LoadBalancer", var.edge.arn_suffix, { stat = "Sum", yAxis = "right" }],
    ] },
    { title = "Healthy edges and database nodes", metrics = [
      ["AWS/NetworkELB", "HealthyHostCount", "TargetGroup", var.edge.target_suffix, "LoadBalancer", var.edge.arn_suffix, { stat = "Minimum", label = "edges" }],
      ["AWS/NetworkELB", "HealthyHostCount", "TargetGroup", var.sql.target, "LoadBalancer", var.sql.balancer, { stat = "Minimum", label = "database" }],
    ] },
    { title = "Processors of machines, %", metrics = [for what, id in var.instances :
      ["AWS/EC2", "CPUUtilization", "InstanceId", id, { stat = "Average", label = what }]
    ] },
    { title = "Cache: hits, misses, evictions", metrics = flatten([for id in var.cache_ids : [for m in ["CacheHits", "CacheMisses", "Evictions"] :
      jsonencode(["AWS/ElastiCache", m, "CacheClusterId", id, { stat = "Sum" }])
    ]]) },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "${var.name}-${var.code}"
  region         = var.region
  dashboard_body = jsonencode({ widgets = [for i, w in local.widgets : {
    type   = "metric"
    x      = 12 * (i % 2)
    y      = 6 * floor(i / 2)
    width  = 12
    height = 6
    properties = {
      title   = w.title
      region  = var.region
      period  = 60
      metrics = [for m in w.metrics : try(jsondecode(m), m)]
    }
  }] })
}
