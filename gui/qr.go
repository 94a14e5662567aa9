package gui

import (
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/skip2/go-qrcode"
)

// qrCode draws text as a QR code (ISO/IEC 18004), four pixels a module, as the data URL of a PNG.
func qrCode(text string) (template.URL, error) {
	png, err := qrcode.Encode(text, qrcode.Medium, -4)
	if err != nil {
		return "", fmt.Errorf("drawing a QR code: %w", err)
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png)), nil //nolint:gosec // G203: base64 of our own picture
}
