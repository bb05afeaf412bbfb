//! Published models worth starting from, with what helps to choose one.
//!
//! Parameters, bytes and compute follow from each model's shape; accuracy is as its authors published it.

use leptos::prelude::*;

use super::engine_link::EngineStatus;
use super::origin::{is_brought, licence};
use super::state::AppState;
use super::transfer::Passage;
use super::words::size;
use crate::protocol::{CheckpointSummary, DeviceChoice};

/// The encoder's shape at 16 frames of 224 x 224: width, layers, width of the feed-forward block.
#[derive(Clone, Copy)]
struct Shape {
    width: u64,
    layers: u64,
    inner: u64,
}

const SMALL: Shape = Shape { width: 384, layers: 12, inner: 1536 };
const BASE: Shape = Shape { width: 768, layers: 12, inner: 3072 };
const LARGE: Shape = Shape { width: 1024, layers: 24, inner: 4096 };
const HUGE: Shape = Shape { width: 1280, layers: 32, inner: 5120 };

/// Tokens a clip: 8 x 14 x 14 tubelets of 2 x 16 x 16 pixels in 3 colours.
const TOKENS: u64 = 8 * 14 * 14;
const TUBELET: u64 = 3 * 2 * 16 * 16;

impl Shape {
    /// Weights of the layers: four matrices of attention with biases but the key's, two of feed-forward, two norms.
    const fn layers(self) -> u64 {
        let Self { width, layers, inner } = self;
        layers * (4 * width * width + 2 * width * inner + inner + 8 * width)
    }

    /// Weights of the encoder with its last norm.
    const fn encoder(self) -> u64 {
        TUBELET * self.width + self.width + self.layers() + 2 * self.width
    }

    const fn classifier(self, classes: u64) -> u64 {
        self.encoder() + self.width * classes + classes
    }

    /// What a pre-training file holds beside the encoder: its decoder, which Cliptune leaves out.
    const fn decoder(self, encoder_width: u64) -> u64 {
        encoder_width * self.width + self.width + self.layers() + 2 * self.width + self.width * TUBELET + TUBELET
    }

    /// Floating-point operations for one clip: twice the multiplications of the tubelets' projection, and of each
    /// layer's matrices, attention scores and weighted sums.
    const fn operations(self) -> u64 {
        let Self { width, layers, inner } = self;
        let layer = 4 * TOKENS * width * width + 2 * TOKENS * TOKENS * width + 2 * TOKENS * width * inner;
        2 * (TOKENS * TUBELET * width + layers * layer)
    }
}

// The published files' own counts, and the compute measured with them.
const _: () = assert!(SMALL.classifier(400) == 22_033_936 && BASE.classifier(400) == 86_534_800);
const _: () = assert!(BASE.encoder() + BASE_DECODER.decoder(BASE.width) == 94_210_944);
const _: () = assert!(SMALL.operations() / 1_000_000_000 == 113 && BASE.operations() / 1_000_000_000 == 360);

const BASE_DECODER: Shape = Shape { width: 384, layers: 4, inner: 1536 };
const LARGE_DECODER: Shape = Shape { width: 512, layers: 12, inner: 2048 };

/// What a model was trained on, and how it was tested: clips x crops.
const KINETICS: (&str, u64, &str) = ("Kinetics-400", 400, "5 × 3 views");
const SSV2: (&str, u64, &str) = ("Something-Something V2", 174, "2 × 3 views");

enum Trained {
    /// Top-1 and top-5, in percent.
    Classifier { on: (&'static str, u64, &'static str), accuracy: (f32, f32) },
    /// Pre-trained on Kinetics-400 with this decoder, which its file holds too.
    Encoder { decoder: Shape },
}

struct Published {
    name: &'static str,
    shape: Shape,
    trained: Trained,
}

/// Of all of them.
const OWNER: &str = "MCG-NJU";
const LICENCE: &str = "cc-by-nc-4.0";

const fn classifier(
    name: &'static str,
    shape: Shape,
    on: (&'static str, u64, &'static str),
    accuracy: (f32, f32),
) -> Published {
    Published { name, shape, trained: Trained::Classifier { on, accuracy } }
}

/// Accuracy from the authors' model zoo when these files were published; it gives base and large a little more since.
static MODELS: [Published; 8] = [
    classifier("videomae-small-finetuned-kinetics", SMALL, KINETICS, (79.0, 93.8)),
    classifier("videomae-base-finetuned-kinetics", BASE, KINETICS, (80.9, 94.7)),
    classifier("videomae-large-finetuned-kinetics", LARGE, KINETICS, (84.7, 96.5)),
    classifier("videomae-huge-finetuned-kinetics", HUGE, KINETICS, (86.6, 97.1)),
    classifier("videomae-small-finetuned-ssv2", SMALL, SSV2, (66.8, 90.3)),
    classifier("videomae-base-finetuned-ssv2", BASE, SSV2, (70.6, 92.6)),
    Published { name: "videomae-base", shape: BASE, trained: Trained::Encoder { decoder: BASE_DECODER } },
    Published { name: "videomae-large", shape: LARGE, trained: Trained::Encoder { decoder: LARGE_DECODER } },
];

impl Published {
    fn parameters(&self) -> u64 {
        match self.trained {
            Trained::Classifier { on: (_, classes, _), .. } => self.shape.classifier(classes),
            Trained::Encoder { .. } => self.shape.encoder(),
        }
    }

    /// Bytes of its file, four a weight.
    fn download(&self) -> u64 {
        4 * match &self.trained {
            Trained::Classifier { .. } => self.parameters(),
            Trained::Encoder { decoder } => self.parameters() + decoder.decoder(self.shape.width),
        }
    }

    fn trained_on(&self) -> String {
        match self.trained {
            Trained::Classifier { on: (set, classes, _), .. } => format!("{set}, {classes} classes"),
            Trained::Encoder { .. } => "Kinetics-400, pre-trained only: no classifier".into(),
        }
    }

    fn accuracy(&self) -> [String; 2] {
        match self.trained {
            Trained::Classifier { on: (set, _, views), accuracy: (first, fifth) } => {
                [format!("{first:.1} / {fifth:.1} %"), format!("{set}, {views}")]
            }
            Trained::Encoder { .. } => ["–".into(), String::new()],
        }
    }
}

#[component]
pub fn PublishedModels() -> impl IntoView {
    let state = AppState::get();
    let on_cpu =
        move || matches!(state.engine.status.get(), EngineStatus::Ready(report) if report.device == DeviceChoice::Cpu);
    view! {
        <section class="models-part" aria-labelledby="published-title">
            <div class="part-head">
                <h2 id="published-title">"Published models worth starting from"</h2>
                <p class="quiet">"By "{OWNER}", who made VideoMAE. All see 16 frames of 224 px. Those trained on Kinetics know people’s actions; those on Something-Something know what hands do with things."</p>
                {move || on_cpu().then(|| view! { <p class="quiet">"There is no GPU in use: fine-tuning any of these would take days on the CPU."</p> })}
            </div>
            <table class="published" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Model"</th>
                        <th role="columnheader" scope="col">"Weights"</th>
                        <th role="columnheader" scope="col">"Download"</th>
                        <th role="columnheader" scope="col">"One clip"</th>
                        <th role="columnheader" scope="col">"Top-1 / top-5"</th>
                        <th role="columnheader" scope="col">"Licence"</th>
                        <th role="columnheader" scope="col"><span class="visually-hidden">"Download it"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{MODELS.iter().map(|model| view! { <Row model/> }).collect_view()}</tbody>
            </table>
            <p class="hint">"Accuracy is as published, over several views of each video. One clip: billions of floating-point operations to classify it; a training step takes about three times that for each clip of its batch. "{licence(LICENCE)}", and what is made from these inherits the licence."</p>
        </section>
    }
}

#[component]
fn Row(model: &'static Published) -> impl IntoView {
    let state = AppState::get();
    let name = StoredValue::new(format!("{OWNER}/{}", model.name));
    let is_this = move |other: &String| name.with_value(|name| name == other);
    let here = Memo::new(move |_| {
        let brought = |model: &CheckpointSummary| is_brought(model) && is_this(&model.origin.source);
        state.checkpoints.with(|checkpoints| checkpoints.iter().any(brought))
    });
    let transfer = state.bringing.transfer;
    let coming = Memo::new(move |_| transfer.is_running() && state.bringing.asked.with(is_this));
    let words = Signal::derive(move || {
        if here.get() {
            "On this device".to_string()
        } else if coming.get() {
            let share = transfer.passage(Passage::share).flatten();
            share.map_or("Starting…".into(), |share| format!("{:.0}%", share * 100.0))
        } else {
            "Download".into()
        }
    });
    let cannot = Memo::new(move |_| here.get() || transfer.is_running());
    let [accuracy, tested_on] = model.accuracy();
    view! {
        <tr role="row" data-testid="published-row" data-model=name.get_value()>
            <th role="rowheader" scope="row"><span class="path">{model.name}</span><span class="hint">{model.trained_on()}</span></th>
            <td role="cell" data-label="Weights">{format!("{:.1} M", model.parameters() as f64 / 1e6)}</td>
            <td role="cell" data-label="Download">{size(model.download())}</td>
            <td role="cell" data-label="One clip">{format!("{:.0} GFLOP", model.shape.operations() as f64 / 1e9)}</td>
            <td role="cell" data-label="Top-1 / top-5" title=tested_on>{accuracy}</td>
            <td role="cell" data-label="Licence">{LICENCE.to_ascii_uppercase()}</td>
            <td role="cell"><button type="button" class="secondary small figures" data-testid=format!("download-{}", name.get_value())
                aria-label=Signal::derive(move || format!("{}: {}", words.get(), name.get_value()))
                disabled=cannot
                on:click=move |_| state.bringing.download(state, name.get_value())>{words}</button></td>
        </tr>
    }
}
