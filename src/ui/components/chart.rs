//! A line chart, drawn anew whenever its numbers change.

use leptos::prelude::*;

use crate::drawing::chart::Chart;
use crate::drawing::markup::Markup;

#[component]
pub fn ChartFigure(chart: Memo<Chart<'static>>) -> impl IntoView {
    let drawn = move || {
        let mut page = Markup::default();
        chart.with(|chart| chart.write(&mut page));
        page.finish()
    };
    view! { <figure class="chart" inner_html=drawn></figure> }
}
