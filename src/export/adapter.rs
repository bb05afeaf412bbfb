//! The low-rank adapters of a run by themselves, in the layout of Hugging Face's PEFT.
//!
//! Comes in: a [`Checkpoint`]. Goes out: the files of `PeftModel.save_pretrained`, in a folder of their own. Never reads a
//! tensor.

use crate::files::FileSource;
use crate::storage::Checkpoint;
use crate::storage::checkpoint::{ADAPTER, ADAPTER_FOLDER, NamedFile};
use crate::train::settings::{Lora, Strategy};

/// The adapters' files; none where the run trained no adapters.
pub fn files(checkpoint: &Checkpoint) -> Vec<NamedFile> {
    let (Some(record), Some(adapter)) = (&checkpoint.record, &checkpoint.adapter) else { return Vec::new() };
    let Strategy::Lora(lora) = record.settings.strategy else { return Vec::new() };
    let config = FileSource::from_bytes(config_json(lora).into_bytes());
    let within = |name: &str, file: FileSource| (format!("{ADAPTER_FOLDER}/{name}"), file);
    vec![within("adapter_config.json", config), within(ADAPTER, adapter.clone())]
}

/// `LoraConfig.save_pretrained` (peft/tuners/lora/config.py); what it does not name is PEFT's default.
fn config_json(Lora { rank, alpha, targets }: Lora) -> String {
    let config = serde_json::json!({
        // The run may have begun with weights that no Hub has.
        "base_model_name_or_path": null,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": ["classifier"],
        "peft_type": "LORA",
        "r": rank,
        "target_modules": targets,
        "task_type": null,
    });
    format!("{config:#}")
}
