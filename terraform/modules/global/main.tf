locals {
  accelerated = var.entry == "global-accelerator"
  validations = { for o in aws_acm_certificate.api.domain_validation_options : o.domain_name => o }
}

# Two anycast addresses: callers enter AWS's network near to them, and reach the nearest region whose load balancer has
# a healthy edge. The health of a network load balancer is that of its targets, checked every five seconds; the checks
# below are for endpoints of other kinds, and stand at their quickest.
resource "aws_globalaccelerator_accelerator" "this" {
  count = local.accelerated ? 1 : 0

  name            = var.name
  ip_address_type = "IPV4"
  enabled         = true
}

resource "aws_globalaccelerator_listener" "https" {
  count = local.accelerated ? 1 : 0

  accelerator_arn = aws_globalaccelerator_accelerator.this[0].arn
  protocol        = "TCP"
  client_affinity = "NONE"

  port_range {
    from_port = 443
    to_port   = 443
  }
}

resource "aws_globalaccelerator_endpoint_group" "region" {
  for_each = local.accelerated ? var.edges : {}

  listener_arn                  = aws_globalaccelerator_listener.https[0].arn
  endpoint_group_region         = each.key
  traffic_dial_percentage       = 100
  health_check_protocol         = "TCP"
  health_check_port             = 443
  health_check_interval_seconds = 10
  threshold_count               = 2

  endpoint_configuration {
    endpoint_id                    = each.value.arn
    weight                         = 128
    client_ip_preservation_enabled = true # the edge finds and limits callers by address
  }
}

resource "aws_route53_record" "accelerated" {
  count = local.accelerated ? 1 : 0

  zone_id = var.zone_id
  name    = var.host
  type    = "A"

  alias {
    name                   = aws_globalaccelerator_accelerator.this[0].dns_name
    zone_id                = aws_globalaccelerator_accelerator.this[0].hosted_zone_id
    evaluate_target_health = true
  }
}

# The alternative: the answer is the region with the lowest latency among those with a healthy edge. Resolvers and
# callers keep an answer for 60 s, so that a lost region is left that much later.
resource "aws_route53_record" "latency" {
  for_each = local.accelerated ? {} : var.edges

  zone_id        = var.zone_id
  name           = var.host
  type           = "A"
  set_identifier = each.key

  latency_routing_policy {
    region = each.key
  }

  alias {
    name                   = each.value.dns_name
    zone_id                = each.value.zone_id
    evaluate_target_health = true
  }
}

# The edges end TLS themselves, so the certificate is one that may be exported: README.md says how it gets to them.
resource "aws_acm_certificate" "api" {
  region            = var.certificate_region
  domain_name       = var.host
  validation_method = "DNS"
  key_algorithm     = "EC_prime256v1"

  subject_alternative_names = var.alternatives

  options {
    export = "ENABLED"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = setunion([var.host], var.alternatives)

  zone_id         = var.zone_id
  name            = local.validations[each.key].resource_record_name
  type            = local.validations[each.key].resource_record_type
  ttl             = 60
  records         = [local.validations[each.key].resource_record_value]
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "api" {
  region                  = var.certificate_region
  certificate_arn         = aws_acm_certificate.api.arn
  validation_record_fqdns = [for r in aws_route53_record.validation : r.fqdn]
}
