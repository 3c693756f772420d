locals {
  zones = { for i, z in var.zones : z => i }
  nat   = var.size.nat_per_zone ? local.zones : { (var.zones[0]) = 0 }
}

resource "aws_vpc" "this" {
  region               = var.region
  cidr_block           = var.network.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Taken over to be emptied: what names no group gets one that lets nothing through.
resource "aws_default_security_group" "this" {
  region = var.region
  vpc_id = aws_vpc.this.id
}

resource "aws_internet_gateway" "this" {
  region = var.region
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each = local.zones

  region                  = var.region
  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.network.public, 4, each.value)
  map_public_ip_on_launch = false

  tags = {
    Name                     = "${var.name}-public-${each.key}"
    "kubernetes.io/role/elb" = "1"
  }
}

resource "aws_subnet" "data" {
  for_each = local.zones

  region            = var.region
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.network.data, 4, each.value)

  tags = { Name = "${var.name}-data-${each.key}" }
}

# Addresses that nothing takes by chance: those that database nodes and Consul servers keep.
resource "aws_ec2_subnet_cidr_reservation" "data" {
  for_each = local.zones

  region           = var.region
  subnet_id        = aws_subnet.data[each.key].id
  cidr_block       = cidrsubnet(aws_subnet.data[each.key].cidr_block, 4, 1)
  reservation_type = "explicit"
  description      = "${var.name}: database and Consul"
}

resource "aws_subnet" "pods" {
  for_each = local.zones

  region            = var.region
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.network.pods, 2, each.value)

  tags = {
    Name                              = "${var.name}-pods-${each.key}"
    "kubernetes.io/role/internal-elb" = "1"
  }
}

resource "aws_route_table" "public" {
  region = var.region
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  region                 = var.region
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = local.zones

  region         = var.region
  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public.id
}

resource "aws_eip" "nat" {
  for_each = local.nat

  region = var.region
  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  for_each = local.nat

  region        = var.region
  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_route.internet]
}

resource "aws_route_table" "private" {
  for_each = local.zones

  region = var.region
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route" "nat" {
  for_each = local.zones

  region                 = var.region
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.size.nat_per_zone ? each.key : var.zones[0]].id
}

resource "aws_route_table_association" "data" {
  for_each = local.zones

  region         = var.region
  subnet_id      = aws_subnet.data[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

resource "aws_route_table_association" "pods" {
  for_each = local.zones

  region         = var.region
  subnet_id      = aws_subnet.pods[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

module "firewall" {
  source = "../firewall"

  name     = var.name
  region   = var.region
  vpc_id   = aws_vpc.this.id
  network  = var.network
  networks = var.networks
}

# S3 by a gateway costs nothing: images' layers and backups do not pass the NAT gateway.
resource "aws_vpc_endpoint" "s3" {
  region            = var.region
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for t in aws_route_table.private : t.id]

  tags = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "services" {
  for_each = toset(var.size.endpoints)

  region              = var.region
  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for s in aws_subnet.data : s.id]
  security_group_ids  = [module.firewall.ids["endpoints"]]

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_ec2_subnet_cidr_reservation.data]
}

resource "aws_cloudwatch_log_group" "flows" {
  name              = "/meridian/${var.name}/flows"
  region            = var.region
  retention_in_days = var.size.log_days
  kms_key_id        = aws_kms_key.logs.arn
}

resource "aws_flow_log" "this" {
  region                   = var.region
  vpc_id                   = aws_vpc.this.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flows.arn
  iam_role_arn             = aws_iam_role.flows.arn
  max_aggregation_interval = 600

  tags = { Name = var.name }
}

resource "aws_iam_role" "flows" {
  name = "${var.name}-${var.code}-flows"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "flows" {
  name = "write"
  role = aws_iam_role.flows.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      Resource = ["${aws_cloudwatch_log_group.flows.arn}:*"]
      }, {
      Effect   = "Allow"
      Action   = ["logs:DescribeLogGroups"]
      Resource = ["*"] # the service asks for the list
    }]
  })
}
