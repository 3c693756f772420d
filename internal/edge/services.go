package edge

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
)

// services returns the protobuf files whose services the edge routes.
func services() []protoreflect.FileDescriptor {
	return []protoreflect.FileDescriptor{
		accountv1.File_meridian_account_v1_account_proto,
		cartv1.File_meridian_cart_v1_cart_proto,
		catalogv1.File_meridian_catalog_v1_catalog_proto,
		orderv1.File_meridian_order_v1_order_proto,
	}
}
