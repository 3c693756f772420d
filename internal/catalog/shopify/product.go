package shopify

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/plaintext"
)

// Limits of a product, in characters where they are about text. Those that Shopify has are Shopify's.
const (
	maxText        = 255
	maxCategory    = 512
	maxImage       = 2048
	maxDescription = 256 << 10
	maxVariants    = 2048
	maxImages      = 250
	maxTags        = 250
)

// group is a product whose rows are being read.
type group struct {
	product  catalog.Product
	line     int // of its first row
	rejected bool
	named    [3]bool        // which of the options the product has
	options  map[string]int // line of each combination of option values
	images   []image        // in the file's order
}

// image is a picture of a product; they are shown by position, and those without one in the file's order after the one before.
type image struct {
	src      string
	position int
}

// handle checks and returns the row's handle.
func (r row) handle() (string, error) {
	handle := r.cell(handleColumn)
	switch {
	case handle == "":
		return "", r.fault(handleColumn, ReasonMissing, "every row needs the handle of its product")
	case utf8.RuneCountInString(handle) > maxText:
		return "", r.fault(handleColumn, ReasonTooLong, "%s has more than %d characters", quote(handle), maxText)
	case !validHandle(handle):
		return "", r.fault(handleColumn, ReasonHandle,
			"%s is not a handle: those are lower-case letters, digits, signs such as ™, hyphens and underscores", quote(handle))
	}
	return norm.NFC.String(handle), nil // as browsers send what is typed
}

// validHandle reports whether s is made as Shopify's handles are: of letters of any script that are not upper-case, digits
// and signs, so that it is one part of a URL's path.
func validHandle(s string) bool {
	return utf8.ValidString(s) && strings.Trim(s, "-_") != "" && !strings.ContainsFunc(s, func(c rune) bool {
		if c < utf8.RuneSelf {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", c)
		}
		return !unicode.IsPrint(c) || unicode.IsUpper(c) || c == utf8.RuneError
	})
}

// describe fills in all that a product's first row says about the product itself.
func (g *group) describe(first row) error {
	p := &g.product
	for _, field := range []struct {
		to    *string
		from  column
		limit int
	}{
		{&p.Title, titleColumn, maxText},
		{&p.Vendor, vendorColumn, maxText},
		{&p.Type, typeColumn, maxText},
		{&p.Category, categoryColumn, maxCategory},
	} {
		var err error
		if *field.to, err = first.text(field.from, field.limit); err != nil {
			return err
		}
	}
	if p.Title == "" {
		return first.fault(titleColumn, ReasonMissing, "the first row of a product needs its title")
	}
	p.Category = strings.Join(list(p.Category, ">"), " > ")
	var err error
	if p.Description, err = first.description(); err != nil {
		return err
	}
	if p.Tags, err = first.tags(); err != nil {
		return err
	}
	if p.Active, p.Unlisted, err = first.visible(); err != nil {
		return err
	}
	for i, name := range []column{option1Name, option2Name, option3Name} {
		g.named[i] = first.cell(name) != ""
	}
	return nil
}

// text returns a cell that is one line of text; line breaks and tabs in it become spaces.
func (r row) text(c column, limit int) (string, error) {
	s := r.cell(c)
	if strings.ContainsAny(s, "\n\r\t") {
		s = strings.Join(strings.Fields(s), " ")
	}
	if utf8.RuneCountInString(s) > limit {
		return "", r.fault(c, ReasonTooLong, "%s has more than %d characters", quote(s), limit)
	}
	switch {
	case !utf8.ValidString(s):
		return "", r.fault(c, ReasonText, "%s is not in UTF-8; if the whole file is not, say what it is in, such as windows-1252 or shift_jis", quote(s))
	case strings.ContainsFunc(s, plaintext.Deceives):
		return "", r.fault(c, ReasonText, "%s has control characters, or turns the direction of writing", quote(s))
	}
	return s, nil
}

func (r row) description() (string, error) {
	s := r.cell(bodyColumn)
	if utf8.RuneCountInString(s) > maxDescription {
		return "", r.fault(bodyColumn, ReasonTooLong, "the description has more than %d characters", maxDescription)
	}
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "", r.fault(bodyColumn, ReasonText, "the description is not text in UTF-8")
	}
	return s, nil
}

func (r row) tags() ([]string, error) {
	all, err := r.text(tagsColumn, maxTags*(maxText+2))
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, tag := range list(all, ",") {
		switch {
		case utf8.RuneCountInString(tag) > maxText:
			return nil, r.fault(tagsColumn, ReasonTooLong, "the tag %s has more than %d characters", quote(tag), maxText)
		case len(tags) == maxTags:
			return nil, r.fault(tagsColumn, ReasonTooMany, "the product has more than %d tags", maxTags)
		case !slices.Contains(tags, tag):
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// visible reports whether the product is on sale, being neither a draft nor archived, and whether it is in no list, being
// unlisted or not published. Empty cells mean that it is sold and listed.
func (r row) visible() (active, unlisted bool, err error) {
	published := r.cell(publishedColumn)
	switch strings.ToLower(published) {
	case "", "true", "false":
	default:
		return false, false, r.fault(publishedColumn, ReasonFlag, "%s is neither TRUE nor FALSE", quote(published))
	}
	status := r.cell(statusColumn)
	switch strings.ToLower(status) {
	case "", "active", "unlisted", "draft", "archived":
	default:
		return false, false, r.fault(statusColumn, ReasonFlag, "%s is none of active, unlisted, draft and archived", quote(status))
	}
	unlisted = strings.EqualFold(status, "unlisted")
	return unlisted || status == "" || strings.EqualFold(status, "active"), unlisted || strings.EqualFold(published, "false"), nil
}

// imageOnly reports whether the row has an image and nothing of a variant.
func (r row) imageOnly() bool {
	for _, c := range []column{
		priceColumn, skuColumn, quantityColumn, gramsColumn, barcodeColumn, option1Value, option2Value, option3Value,
	} {
		if r.cell(c) != "" {
			return false
		}
	}
	return r.cell(imageColumn) != ""
}

// addImage adds the row's image, unless the product has it already.
func (g *group) addImage(r row) error {
	src, err := r.text(imageColumn, maxImage)
	if err != nil || src == "" || slices.ContainsFunc(g.images, func(i image) bool { return i.src == src }) {
		return err
	}
	if address, err := url.Parse(src); err != nil || !slices.Contains([]string{"", "http", "https"}, address.Scheme) {
		return r.fault(imageColumn, ReasonImage, "%s is neither a relative path nor an http or https address", quote(src))
	}
	if len(g.images) == maxImages {
		return r.fault(imageColumn, ReasonTooMany, "the product has more than %d images", maxImages)
	}
	position := len(g.images) + 1
	if given := r.cell(positionColumn); given != "" {
		if position, err = strconv.Atoi(given); err != nil {
			return r.fault(positionColumn, ReasonImage, "%s is not a whole number", quote(given))
		}
	}
	g.images = append(g.images, image{src, position})
	return nil
}

// list splits text at a separator and drops empty parts and outer spaces.
func list(s, separator string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
