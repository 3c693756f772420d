# The region's gateway into the cluster: stacks connect to their own region's nodes alone.
resource "aws_lb" "sql" {
  for_each = var.regions

  name                             = "${var.name}-sql"
  region                           = each.key
  load_balancer_type               = "network"
  internal                         = true
  security_groups                  = [each.value.security_groups["sql"]]
  subnets                          = [for zone in each.value.zones : each.value.subnets[zone]]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.size.protect
}

resource "aws_lb_target_group" "sql" {
  for_each = var.regions

  name                   = "${var.name}-sql"
  region                 = each.key
  vpc_id                 = each.value.vpc_id
  target_type            = "ip"
  protocol               = "TCP"
  port                   = 26257
  preserve_client_ip     = "false"
  deregistration_delay   = "60"
  connection_termination = true # connections to a node that is gone end at once, and pools open new ones

  target_health_state {
    enable_unhealthy_connection_termination = false
    unhealthy_draining_interval             = 60
  }

  # A draining node answers 503 here while it still serves, so that it gets no new connections.
  health_check {
    protocol            = "HTTPS"
    port                = "8080"
    path                = "/health?ready=1"
    matcher             = "200"
    interval            = 5
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_target_group_attachment" "sql" {
  for_each = local.nodes

  region           = each.value.region
  target_group_arn = aws_lb_target_group.sql[each.value.region].arn
  target_id        = each.value.address
  port             = 26257

  depends_on = [aws_network_interface.node]
}

resource "aws_lb_listener" "sql" {
  for_each = var.regions

  region                   = each.key
  load_balancer_arn        = aws_lb.sql[each.key].arn
  port                     = 26257
  protocol                 = "TCP"
  tcp_idle_timeout_seconds = 3600 # pools keep idle connections

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.sql[each.key].arn
  }
}

resource "aws_route53_record" "sql" {
  for_each = var.regions

  zone_id = var.zone.id
  name    = local.sql_names[each.key]
  type    = "A"

  alias {
    name                   = aws_lb.sql[each.key].dns_name
    zone_id                = aws_lb.sql[each.key].zone_id
    evaluate_target_health = false # there is no other
  }
}

# All three addresses under one name: Prometheus finds the nodes there.
resource "aws_route53_record" "nodes" {
  for_each = var.regions

  zone_id = var.zone.id
  name    = "database.${each.key}.${var.zone.name}"
  type    = "A"
  ttl     = 30
  records = [for zone, n in local.nodes : n.address if n.region == each.key]
}
