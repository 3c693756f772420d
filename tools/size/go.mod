module github.com/meridian-commerce/meridian/tools/size

go 1.26.0
