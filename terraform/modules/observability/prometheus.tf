# A global view in each region: every region's own Prometheus writes to all of these what all regions together are judged by. So
# whichever region is lost, the others still tell. What one region can tell for itself is evaluated in its cluster.
resource "aws_prometheus_workspace" "this" {
  count = var.prometheus ? 1 : 0

  alias  = var.name
  region = var.region
}

resource "aws_prometheus_rule_group_namespace" "this" {
  for_each = { for name, rules in var.rules : name => rules if var.prometheus }

  region       = var.region
  workspace_id = aws_prometheus_workspace.this[0].id
  name         = each.key
  data         = each.value
}

resource "aws_prometheus_alert_manager_definition" "this" {
  count = var.prometheus ? 1 : 0

  region       = var.region
  workspace_id = aws_prometheus_workspace.this[0].id
  definition = yamlencode({ alertmanager_config = yamlencode({
    route = {
      receiver = "alarms"
      group_by = ["alertname", "region", "home"]
    }
    receivers = [{
      name = "alarms"
      sns_configs = [{
        topic_arn = aws_sns_topic.alarms.arn
        sigv4     = { region = var.region }
        subject   = "{{ .CommonLabels.severity }}: {{ .CommonLabels.alertname }}"
      }]
    }]
  }) })

  depends_on = [aws_sns_topic_policy.alarms]
}

resource "aws_sns_topic_policy" "alarms" {
  region = var.region
  arn    = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Action    = ["sns:Publish", "sns:GetTopicAttributes"]
      Resource  = [aws_sns_topic.alarms.arn]
      Principal = { Service = ["cloudwatch.amazonaws.com", "aps.amazonaws.com"] }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}
