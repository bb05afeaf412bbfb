//! What did not fit when a model's weights were read, by name and shape.

use leptos::prelude::*;

use crate::protocol::LoadReport;
use crate::ui::words::counted;

/// Rows of one group; a file may hold any number of names.
const ROWS: usize = 500;

/// One sentence and the tensors that it is about.
struct Group {
    about: String,
    tensors: Vec<(String, String)>,
}

impl Group {
    /// None where there are no tensors.
    fn new(tensors: Vec<(String, String)>, whose: &str, what: &str) -> Option<Self> {
        let verb = if tensors.len() == 1 { "is" } else { "are" };
        let about = format!("{} {whose} {verb} {what}", counted(tensors.len(), "tensor", "tensors"));
        (!tensors.is_empty()).then_some(Self { about, tensors })
    }
}

#[component]
pub fn LoadReportList(
    report: LoadReport,
    /// Whether the model came with a classifier of its own.
    has_classifier: bool,
) -> impl IntoView {
    let groups = groups(&report, has_classifier);
    (!groups.is_empty()).then(|| {
        let groups = groups.into_iter().map(|Group { about, tensors }| {
            let rest = tensors.len().checked_sub(ROWS).filter(|rest| *rest > 0);
            let rows = tensors.into_iter().take(ROWS).map(|(name, shape)| {
                view! { <li data-testid="tensor-row"><span class="path">{name}</span><span class="quiet figures">{shape}</span></li> }
            });
            view! {
                <details class="tensors">
                    <summary>{about}</summary>
                    <ul tabindex="0">{rows.collect_view()}{rest.map(|rest| view! { <li>{format!("and {rest} more")}</li> })}</ul>
                </details>
            }
        });
        view! { <div class="load-report" data-testid="load-report">{groups.collect_view()}</div> }
    })
}

fn groups(report: &LoadReport, has_classifier: bool) -> Vec<Group> {
    let shaped = |(name, shape): &(String, Vec<usize>)| (name.clone(), sides(shape));
    let (decoder, surplus): (Vec<_>, Vec<_>) = report.surplus.iter().partition(|(name, _)| is_decoder(name));
    let (head, missing): (Vec<_>, Vec<_>) = report.missing.iter().partition(|(name, _)| is_head(name));
    let misshapen = report.misshapen.iter().map(|(name, model, file)| {
        (name.clone(), format!("{} in the model, {} in the file", sides(model), sides(file)))
    });
    let list = |tensors: Vec<&(String, Vec<usize>)>| tensors.into_iter().map(shaped).collect::<Vec<_>>();
    let no_head = if has_classifier { "not in the file: made anew" } else { "not in the file: fine-tuning makes one" };
    [
        Group::new(misshapen.collect(), "of the file", "of another shape than the model’s: made anew"),
        Group::new(list(missing), "of the model", "not in the file: made anew"),
        Group::new(list(head), "of a classifier", no_head),
        Group::new(list(decoder), "of the pre-training decoder", "not needed"),
        Group::new(list(surplus), "of the file", "not part of this model: left out"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What only pre-training needs.
fn is_decoder(name: &str) -> bool {
    ["decoder.", "encoder_to_decoder.", "mask_token"].iter().any(|start| name.starts_with(start))
}

/// What a pre-trained model lacks: the last layer, and the norm before it.
fn is_head(name: &str) -> bool {
    ["classifier.", "fc_norm."].iter().any(|start| name.starts_with(start))
}

/// `768 × 3 × 2 × 16 × 16`.
fn sides(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ")
}
