package main

import (
	"fmt"
	"html"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-analyze/charts"
)

// chartSet are the charts of a report, as SVG inside the page. One without data
// is empty.
type chartSet struct{ Funnel, Provinces, Reasons, Payments template.HTML }

func drawCharts(r report) (chartSet, error) {
	var c chartSet
	var err error
	if c.Funnel, err = funnelChart(r.Funnel); err != nil {
		return c, err
	}
	if c.Provinces, err = provinceChart(r.Provinces); err != nil {
		return c, err
	}
	if c.Reasons, err = reasonChart(r.Reasons); err != nil {
		return c, err
	}
	c.Payments, err = paymentChart(r.Payments)
	return c, err
}

func funnelChart(rows []countRow) (template.HTML, error) {
	b := bars{Title: "Perjalanan / The way", Series: []series{{"orang / people", nil}}}
	for _, f := range rows {
		b.add(f.Label.ID, f.Count)
	}
	return b.draw()
}

func provinceChart(rows []provinceRow) (template.HTML, error) {
	b := bars{Title: "Kursi per provinsi / Seats by province", Series: []series{
		{"cadangan / reserve", nil}, {"umum / open", nil}, {"limpahan / spilled in", nil}, {"tak terisi / unfilled", nil}}}
	for _, p := range rows {
		b.add(p.Name, p.Reserve, p.Open, p.SpilledIn, max(0, p.Seats-p.Taken()))
	}
	return b.draw()
}

func reasonChart(rows []reasonRow) (template.HTML, error) {
	b := bars{Title: "Alasan / Reasons", Series: []series{{"tidak memenuhi / ineligible", nil}, {"menunggu bukti / pending", nil}}}
	at := map[string]int{}
	for _, r := range rows {
		i, known := at[r.Code]
		if !known {
			i = len(b.Labels)
			at[r.Code] = i
			b.add(r.Code, 0, 0)
		}
		which := 0
		if r.Verdict == "pending" {
			which = 1
		}
		b.Series[which].Values[i] += float64(r.Count)
	}
	return b.draw()
}

func paymentChart(rows []paymentRow) (template.HTML, error) {
	b := bars{Title: "Pembayaran / Payments", Series: []series{
		{"berhasil / settled", nil}, {"kembali / returned", nil}, {"ditolak / rejected", nil}}}
	for _, p := range rows {
		b.add(fmt.Sprintf("%s %d", p.Benefit.ID, p.Instalment), p.Settled, p.Returned, p.Rejected)
	}
	return b.draw()
}

// bars is a chart of horizontal bars, of stacked ones where it has more than one
// series.
type bars struct {
	Title  string
	Labels []string
	Series []series
}

type series struct {
	Name   string
	Values []float64
}

func (b *bars) add(label string, values ...int64) {
	b.Labels = append(b.Labels, label)
	for i, v := range values {
		b.Series[i].Values = append(b.Series[i].Values, float64(v))
	}
}

// The colours of a chart stand for variables of the page's style sheet, so that
// a chart follows the light or dark scheme of its reader.
var (
	ink    = charts.ColorRGB(1, 2, 3)
	faint  = charts.ColorRGB(4, 5, 6)
	paints = []charts.Color{charts.ColorRGB(11, 1, 1), charts.ColorRGB(12, 1, 1), charts.ColorRGB(13, 1, 1), charts.ColorRGB(14, 1, 1)}
	styled = strings.NewReplacer(
		ink.String(), "var(--ink)", faint.String(), "var(--rule)",
		paints[0].String(), "var(--c1)", paints[1].String(), "var(--c2)", paints[2].String(), "var(--c3)", paints[3].String(), "var(--c4)",
		`xmlns="http://www.w3.org/2000/svg"`, "", `xmlns:xlink="http://www.w3.org/1999/xlink"`, "",
		"'Roboto',sans-serif", "inherit", "'Roboto Medium',sans-serif", "inherit")
)

const (
	chartWidth = 960
	barHeight  = 26
)

func (b *bars) draw() (template.HTML, error) {
	if len(b.Labels) == 0 {
		return "", nil
	}
	// The library draws from the bottom up.
	slices.Reverse(b.Labels)
	var values [][]float64
	for _, s := range b.Series {
		slices.Reverse(s.Values)
		values = append(values, s.Values)
	}
	theme := charts.MakeTheme(charts.ThemeOption{AxisStrokeColor: faint, AxisSplitLineColor: faint, BackgroundColor: charts.ColorTransparent, TextColor: ink, SeriesColors: paints})
	option := charts.NewBarChartOptionWithData(values)
	option.Theme = theme
	option.Horizontal = true
	option.Padding = charts.NewBox(0, 0, 70, 0)
	option.CategoryAxis = charts.CategoryAxisOption{Labels: b.Labels, LabelFontStyle: charts.NewFontStyleWithSize(10)}
	number := func(v float64) string { return thousands(int64(v)) }
	option.ValueFormatter = number
	option.ValueAxis = []charts.ValueAxisOption{{ValueFormatter: number, Min: charts.Ptr(0.0), LabelCount: 6, LabelFontStyle: charts.NewFontStyleWithSize(9)}}
	height := barHeight*len(b.Labels) + 50
	if len(b.Series) > 1 {
		height += 30
		option.StackSeries = charts.Ptr(true)
		for _, s := range b.Series {
			option.Legend.SeriesNames = append(option.Legend.SeriesNames, s.Name)
		}
		option.Legend.FontStyle = charts.NewFontStyleWithSize(10)
	} else {
		option.SeriesList[0].Label = charts.SeriesLabel{Show: charts.Ptr(true), ValueFormatter: number, FontStyle: charts.NewFontStyleWithSize(10)}
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: height, Theme: theme})
	if err := p.BarChart(option); err != nil {
		return "", err
	}
	svg, err := p.Bytes()
	if err != nil {
		return "", err
	}
	// The tables beside the charts say the same to those who do not see.
	head := fmt.Sprintf(`<svg role="img" aria-label="%s" `, template.HTMLEscapeString(b.Title))
	return template.HTML(styled.Replace(strings.Replace(fitted(p, string(svg)), "<svg ", head, 1))), nil
}

var textInSVG = regexp.MustCompile(`<text ([^>]*font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)

// fitted gives every text the width that the library measured when it placed it:
// the reader's font may be wider.
func fitted(p *charts.Painter, svg string) string {
	return textInSVG.ReplaceAllStringFunc(svg, func(whole string) string {
		part := textInSVG.FindStringSubmatch(whole)
		pixels, err := strconv.ParseFloat(part[2], 64)
		if err != nil {
			return whole
		}
		style := charts.NewFontStyleWithSize(pixels * 72 / 96)
		style.FontColor = ink
		box := p.MeasureText(html.UnescapeString(part[3]), 0, style)
		return fmt.Sprintf(`<text textLength="%d" lengthAdjust="spacingAndGlyphs" %s>%s</text>`, box.Width(), part[1], part[3])
	})
}
