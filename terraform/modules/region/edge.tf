# Where callers enter the region. It belongs here and not to Kubernetes, so that Global Accelerator can point at it and a
# destroy leaves nothing behind; the load balancer controller fills the target group with the edges' pods. TLS passes
# through to the edge: Global Accelerator keeps callers' addresses only where the balancer does not end TLS.
#
# Behind Global Accelerator it is internal: nobody enters by another way, and no public addresses are paid for.
resource "aws_lb" "edge" {
  name                             = "${var.name}-edge"
  region                           = var.region
  load_balancer_type               = "network"
  internal                         = var.internal
  security_groups                  = [module.firewall.ids["edge"]]
  subnets                          = [for s in var.internal ? aws_subnet.pods : aws_subnet.public : s.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.size.protect
  enable_zonal_shift               = true

  depends_on = [aws_route.internet]
}

resource "aws_lb_target_group" "edge" {
  name                   = "${var.name}-edge"
  region                 = var.region
  vpc_id                 = aws_vpc.this.id
  target_type            = "ip"
  protocol               = "TCP"
  port                   = 8443
  preserve_client_ip     = "true"
  deregistration_delay   = "75"
  connection_termination = false

  # An edge that is about to stop says so by its health, and goes on answering.
  target_health_state {
    enable_unhealthy_connection_termination = false
    unhealthy_draining_interval             = 75
  }

  health_check {
    protocol            = "HTTPS"
    port                = "traffic-port"
    path                = "/.well-known/meridian/ready"
    matcher             = "200"
    interval            = 5
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "edge" {
  region            = var.region
  load_balancer_arn = aws_lb.edge.arn
  port              = 443
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.edge.arn
  }
}
