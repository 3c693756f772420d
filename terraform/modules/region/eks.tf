resource "aws_cloudwatch_log_group" "cluster" {
  name              = "/aws/eks/${var.name}/cluster" # the name that EKS writes to
  region            = var.region
  retention_in_days = var.size.log_days
  kms_key_id        = aws_kms_key.logs.arn
}

resource "aws_eks_cluster" "this" {
  name                          = var.name
  region                        = var.region
  version                       = var.kubernetes_version
  role_arn                      = aws_iam_role.cluster.arn
  bootstrap_self_managed_addons = false # the add-ons below are managed
  deletion_protection           = var.size.protect
  enabled_cluster_log_types     = var.size.control_plane

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = aws_kms_key.data.arn
    }
  }

  kubernetes_network_config {
    service_ipv4_cidr = "172.20.0.0/16" # inside the cluster only, so the same in every region
  }

  upgrade_policy {
    support_type = "STANDARD" # no extended support, which costs six times as much
  }

  vpc_config {
    subnet_ids              = [for s in aws_subnet.pods : s.id]
    endpoint_private_access = true
    endpoint_public_access  = length(var.admin_cidrs) > 0
    public_access_cidrs     = length(var.admin_cidrs) > 0 ? var.admin_cidrs : null
  }

  zonal_shift_config {
    enabled = true
  }

  # Its network interfaces are in these subnets, which must be there until it has gone.
  depends_on = [aws_cloudwatch_log_group.cluster, aws_iam_role_policy_attachment.cluster, aws_route_table_association.pods]
}

# A zone's letter is the account's own; its id is the same for all.
data "aws_availability_zone" "this" {
  for_each = local.zones

  region = var.region
  name   = each.key
}

# The way of operators when the API is closed to the Internet: the tunnel of Session Manager ends at a Consul server.
resource "aws_vpc_security_group_ingress_rule" "operators" {
  region                       = var.region
  security_group_id            = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description                  = "Kubernetes API for the tunnel of operators through a Consul server"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = module.firewall.ids["consul"]
}

resource "aws_eks_access_entry" "admins" {
  for_each = var.admin_role_arns

  region        = var.region
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.key
}

resource "aws_eks_access_policy_association" "admins" {
  for_each = var.admin_role_arns

  region        = var.region
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.admins[each.key].principal_arn
  policy_arn    = "arn:${var.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}

resource "aws_launch_template" "nodes" {
  name                   = "${var.name}-nodes"
  region                 = var.region
  update_default_version = true

  vpc_security_group_ids = [
    aws_eks_cluster.this.vpc_config[0].cluster_security_group_id,
    module.firewall.ids["nodes"],
  ]

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # pods do not reach it: their identity comes from EKS
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      encrypted             = "true"
      kms_key_id            = aws_kms_key.data.arn
      volume_type           = "gp3"
      volume_size           = 50
      delete_on_termination = "true"
    }
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]

    content {
      resource_type = tag_specifications.value
      tags          = { Name = "${var.name}-node" }
    }
  }
}

# One group a zone, so that the autoscaler can add a node where a pod must go.
resource "aws_eks_node_group" "this" {
  for_each = local.zones

  region          = var.region
  cluster_name    = aws_eks_cluster.this.name
  version         = aws_eks_cluster.this.version # after the control plane, and to the same
  node_group_name = each.key
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = [aws_subnet.pods[each.key].id]
  ami_type        = "AL2023_ARM_64_STANDARD"
  instance_types  = [var.size.node.type]
  capacity_type   = "ON_DEMAND"

  launch_template {
    id      = aws_launch_template.nodes.id
    version = aws_launch_template.nodes.latest_version
  }

  scaling_config {
    min_size     = var.size.node.min
    desired_size = var.size.node.min
    max_size     = var.size.node.max
  }

  update_config {
    max_unavailable = 1
  }

  node_repair_config {
    enabled = true
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # the autoscaler's
  }

  depends_on = [aws_eks_addon.before_nodes, aws_iam_role_policy_attachment.nodes, aws_route.nat]
}

# An add-on moves with the cluster's version: those below before the nodes, the rest after them.
data "aws_eks_addon_version" "this" {
  for_each = toset(["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver", "metrics-server"])

  region             = var.region
  addon_name         = each.key
  kubernetes_version = var.kubernetes_version
}

# Without these a node does not become ready.
resource "aws_eks_addon" "before_nodes" {
  for_each = toset(["vpc-cni", "kube-proxy", "eks-pod-identity-agent"])

  region                      = var.region
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = data.aws_eks_addon_version.this[each.key].version
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  configuration_values = each.key != "vpc-cni" ? null : jsonencode({
    enableNetworkPolicy = "true" # those of deploy/k8s
    env = {
      AWS_VPC_K8S_CNI_EXTERNALSNAT = "true" # pods keep their addresses toward other regions
      ENABLE_PREFIX_DELEGATION     = "true"
    }
  })

  dynamic "pod_identity_association" {
    for_each = each.key == "vpc-cni" ? [aws_iam_role.identity["cni"].arn] : []

    content {
      service_account = "aws-node"
      role_arn        = pod_identity_association.value
    }
  }

  # Without its rights the plug-in could not take down the interfaces of the last nodes, and they would keep the subnets.
  depends_on = [aws_iam_role_policy_attachment.add_ons]
}

# Without nodes these do not become healthy.
resource "aws_eks_addon" "after_nodes" {
  for_each = toset(["coredns", "aws-ebs-csi-driver", "metrics-server"])

  region                      = var.region
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = data.aws_eks_addon_version.this[each.key].version
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  dynamic "pod_identity_association" {
    for_each = each.key == "aws-ebs-csi-driver" ? [aws_iam_role.identity["ebs"].arn] : []

    content {
      service_account = "ebs-csi-controller-sa"
      role_arn        = pod_identity_association.value
    }
  }

  depends_on = [aws_eks_node_group.this]
}
