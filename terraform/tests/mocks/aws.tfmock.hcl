# Values in the shapes that AWS gives them, so that what is built from them reads as it would.
mock_data "aws_caller_identity" {
  defaults = { account_id = "111122223333" }
}

mock_data "aws_availability_zone" {
  defaults = { zone_id = "use1-az1" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_ssm_parameter" {
  defaults = { insecure_value = "ami-0123456789abcdef0" }
}

mock_resource "aws_ebs_volume" {
  defaults = { id = "vol-0123456789abcdef0" }
}

mock_resource "aws_eks_cluster" {
  defaults = { endpoint = "https://EXAMPLE.gr7.eks.amazonaws.com" }
}

mock_resource "aws_elasticache_replication_group" {
  defaults = { primary_endpoint_address = "master.meridian.example.cache.amazonaws.com" }
}

mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-000000000000" }
}

mock_resource "aws_lb" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/net/x/0123456789abcdef"
    arn_suffix = "net/x/0123456789abcdef"
    dns_name   = "x.elb.amazonaws.com"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/x/0123456789abcdef"
    arn_suffix = "targetgroup/x/0123456789abcdef"
  }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    arn = "arn:aws:acm:us-east-1:111122223333:certificate/x"
    domain_validation_options = [
      { domain_name = "api.shop.example.com", resource_record_name = "_a.api.shop.example.com", resource_record_type = "CNAME", resource_record_value = "_a.acm-validations.aws" },
      { domain_name = "cdn.shop.example.com", resource_record_name = "_a.cdn.shop.example.com", resource_record_type = "CNAME", resource_record_value = "_a.acm-validations.aws" },
    ]
  }
}
