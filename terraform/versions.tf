terraform {
  required_version = ">= 1.11, < 2.0" # 1.11: state locking by a file in S3, without DynamoDB

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25" # since 6.0, a resource names its region: no provider alias for each
    }

    # Of modules alone, but named here too: the tests' mocks stand in for what the root names.
    # tflint-ignore: terraform_unused_required_providers
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
    # tflint-ignore: terraform_unused_required_providers
    tls = {
      source  = "hashicorp/tls"
      version = "~> 4.1"
    }
  }

  # Which bucket: terraform init -backend-config=backend.hcl
  backend "s3" {}
}

# The one provider: its region holds what has no region of its own choice. Everything regional says `region`.
provider "aws" {
  region              = local.primary
  allowed_account_ids = var.account_id == null ? null : [var.account_id]

  default_tags {
    tags = merge({
      "meridian:environment" = var.environment
      "meridian:managed-by"  = "terraform"
    }, var.tags)
  }
}
