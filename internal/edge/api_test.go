package edge

import ( // the services that these tests call: linking them in makes them rows of the edge's method table
	_ "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	_ "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	_ "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	_ "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
)
