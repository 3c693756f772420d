resource "aws_iam_role" "cluster" {
  name = "${var.name}-${var.code}-cluster"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "eks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_iam_role" "nodes" {
  name = "${var.name}-${var.code}-nodes"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

# Session Manager instead of SSH. The network plug-in has an identity of its own.
resource "aws_iam_role_policy_attachment" "nodes" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonSSMManagedInstanceCore"])

  role       = aws_iam_role.nodes.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/${each.key}"
}

# What pods may do in AWS, by service account. Meridian's own pods may do nothing, but for what Prometheus
# tells: what they need is in secrets.
locals {
  arn = "arn:${var.partition}"

  add_on_policies = {
    cni = "${local.arn}:iam::aws:policy/AmazonEKS_CNI_Policy"
    ebs = "${local.arn}:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
  }

  identities = merge({
    balancer = {
      namespace = "kube-system", account = "aws-load-balancer-controller"
      statements = [
        # It fills the target group that is there already, and makes nothing.
        {
          Effect   = "Allow"
          Action   = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
          Resource = [aws_lb_target_group.edge.arn]
        },
        {
          Effect = "Allow"
          Action = [
            "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth", "elasticloadbalancing:DescribeTags",
            "ec2:DescribeAvailabilityZones", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets", "ec2:DescribeVpcs",
          ]
          Resource = ["*"] # these take no resource
        },
      ]
    }
    autoscaler = {
      namespace = "kube-system", account = "cluster-autoscaler"
      statements = [
        {
          Effect    = "Allow"
          Action    = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
          Resource  = ["${local.arn}:autoscaling:${var.region}:${var.account_id}:autoScalingGroup:*"]
          Condition = { StringEquals = { "aws:ResourceTag/eks:cluster-name" = var.name } }
        },
        {
          Effect = "Allow"
          Action = [
            "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeLaunchConfigurations",
            "autoscaling:DescribeScalingActivities", "autoscaling:DescribeTags", "ec2:DescribeImages", "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplateVersions", "ec2:GetInstanceTypesFromInstanceRequirements",
          ]
          Resource = ["*"]
        },
        { Effect = "Allow", Action = ["eks:DescribeNodegroup"], Resource = ["${local.arn}:eks:${var.region}:${var.account_id}:nodegroup/${var.name}/*"] },
      ]
    }
    secrets = {
      namespace = "external-secrets", account = "external-secrets"
      statements = [
        {
          Effect   = "Allow"
          Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
          Resource = [for s in local.stack_secrets : "${local.arn}:secretsmanager:${var.region}:${var.account_id}:secret:${s}-??????"]
        },
        {
          Effect    = "Allow"
          Action    = ["kms:Decrypt"]
          Resource  = [aws_kms_key.data.arn]
          Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
        },
      ]
    }
    }, { for name, identity in {
      prometheus = {
        namespace = "meridian", account = "prometheus"
        statements = [{
          Effect   = "Allow"
          Action   = ["aps:RemoteWrite"]
          Resource = ["${local.arn}:aps:*:${var.account_id}:workspace/*"] # of every region
        }]
      }
  } : name => identity if var.prometheus })

  # What deploy/k8s reads through External Secrets.
  stack_secrets = concat(["AmazonMSK_meridian"], [for s in [
    "keys/auth", "keys/directory", "edge/tls", "peer/edge", "peer/stack", "database/app", "database/owner", "consul", "redis",
  ] : "meridian/${s}"])
}

resource "aws_iam_role" "identity" {
  for_each = setunion(keys(local.identities), keys(local.add_on_policies))

  name = "${var.name}-${var.code}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Principal = { Service = "pods.eks.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "add_ons" {
  for_each = local.add_on_policies

  role       = aws_iam_role.identity[each.key].name
  policy_arn = each.value
}

# Volumes with a key of ours: the driver makes the grant that EC2 then uses.
resource "aws_iam_role_policy" "ebs_key" {
  name = "key"
  role = aws_iam_role.identity["ebs"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Action    = ["kms:CreateGrant"]
        Resource  = [aws_kms_key.data.arn]
        Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource = [aws_kms_key.data.arn]
      },
    ]
  })
}

resource "aws_iam_role_policy" "identity" {
  for_each = local.identities

  name   = "pods"
  role   = aws_iam_role.identity[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value.statements })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = local.identities

  region          = var.region
  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = aws_iam_role.identity[each.key].arn
}
