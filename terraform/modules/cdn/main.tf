# CloudFront in front of the API. Reads of the catalog are GETs with the request in the query, and say how long they may
# be kept; all else passes through.
locals {
  caching_disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" # a policy that CloudFront offers in every account

  validation = one([for o in aws_acm_certificate.this.domain_validation_options : o if o.domain_name == var.host])

  methods = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
}

resource "aws_acm_certificate" "this" {
  region            = "us-east-1" # CloudFront takes certificates from there alone
  domain_name       = var.host
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  zone_id         = var.zone_id
  name            = local.validation.resource_record_name
  type            = local.validation.resource_record_type
  ttl             = 60
  records         = [local.validation.resource_record_value]
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  region                  = "us-east-1"
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [aws_route53_record.validation.fqdn]
}

resource "aws_cloudfront_cache_policy" "catalog" {
  name        = "${var.name}-catalog"
  comment     = "As the answer says; without a word of it, not at all"
  min_ttl     = 0
  default_ttl = 0
  max_ttl     = 3600

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = true
    enable_accept_encoding_gzip   = true

    cookies_config {
      cookie_behavior = "none"
    }

    headers_config {
      header_behavior = "whitelist"
      headers {
        items = ["Authorization", "Origin"] # what is one user's, or one site's, is kept for that one
      }
    }

    query_strings_config {
      query_string_behavior = "all"
    }
  }
}

# The caller's country, which the edge believes from its trusted proxies.
resource "aws_cloudfront_origin_request_policy" "viewer" {
  name    = "${var.name}-viewer"
  comment = "All that the caller sent, and where the caller is"

  cookies_config {
    cookie_behavior = "all"
  }

  headers_config {
    header_behavior = "allViewerAndWhitelistCloudFront"
    headers {
      items = ["CloudFront-Viewer-Country"]
    }
  }

  query_strings_config {
    query_string_behavior = "all"
  }
}

resource "aws_cloudfront_distribution" "this" {
  enabled         = true
  comment         = var.name
  aliases         = [var.host]
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = "PriceClass_All"

  origin {
    origin_id   = "api"
    domain_name = var.origin

    custom_origin_config {
      http_port                = 80 # never used, but must be said
      https_port               = 443
      origin_protocol_policy   = "https-only"
      origin_ssl_protocols     = ["TLSv1.2"]
      origin_read_timeout      = 30
      origin_keepalive_timeout = 60
    }
  }

  default_cache_behavior {
    target_origin_id         = "api"
    allowed_methods          = local.methods
    cached_methods           = ["GET", "HEAD"]
    viewer_protocol_policy   = "https-only"
    cache_policy_id          = local.caching_disabled
    origin_request_policy_id = aws_cloudfront_origin_request_policy.viewer.id
  }

  ordered_cache_behavior {
    path_pattern             = "/meridian.catalog.v1.CatalogService/*"
    target_origin_id         = "api"
    allowed_methods          = local.methods
    cached_methods           = ["GET", "HEAD"]
    viewer_protocol_policy   = "https-only"
    compress                 = true
    cache_policy_id          = aws_cloudfront_cache_policy.catalog.id
    origin_request_policy_id = aws_cloudfront_origin_request_policy.viewer.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.this.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }
}

resource "aws_route53_record" "this" {
  for_each = toset(["A", "AAAA"])

  zone_id = var.zone_id
  name    = var.host
  type    = each.key

  alias {
    name                   = aws_cloudfront_distribution.this.domain_name
    zone_id                = aws_cloudfront_distribution.this.hosted_zone_id
    evaluate_target_health = false
  }
}
