//! Which device computes.
//!
//! Comes in: what the user asked for. Goes out: a Burn device, what to say about it, and what it can hold. A software WebGPU adapter is
//! many times slower than the CPU backend, so it is used only when the user asks for the GPU by name.

use burn::tensor::{DType, Device};

use super::fit::Limits;
use crate::protocol::{DeviceChoice, DeviceReport};

/// Why the GPU that the user asked for cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DeviceError {
    #[error("No GPU can be used here: {0}. Choose the CPU, or update the browser and the graphics driver.")]
    NoGpu(String),
}

/// A WebGPU adapter as it describes itself.
#[derive(Debug, Clone, PartialEq)]
struct Adapter {
    name: String,
    software: bool,
    limits: Limits,
}

/// Chooses and initialises the device.
pub async fn choose(choice: DeviceChoice) -> Result<(Device, DeviceReport, Limits), DeviceError> {
    if choice == DeviceChoice::Cpu {
        return Ok(cpu(None));
    }
    match (platform::adapter().await, choice) {
        (Ok(adapter), DeviceChoice::Auto) if adapter.software => Ok(cpu(Some(format!(
            "This browser's GPU is emulated in software ({}), which is slower than the CPU, so the CPU is used.",
            adapter.name
        )))),
        (Ok(adapter), choice) => match platform::initialise().await {
            Ok(device) => {
                let half = device.supports_dtype(DType::F16);
                let report = DeviceReport { device: DeviceChoice::Gpu, name: adapter.name, notice: None, half };
                Ok((device, report, adapter.limits))
            }
            Err(reason) if choice == DeviceChoice::Gpu => Err(DeviceError::NoGpu(reason)),
            Err(reason) => Ok(cpu(Some(format!("The GPU could not be started ({reason}), so the CPU is used.")))),
        },
        (Err(reason), DeviceChoice::Gpu) => Err(DeviceError::NoGpu(reason)),
        (Err(reason), _) => Ok(cpu(Some(format!("No GPU can be used here ({reason}), so the CPU is used.")))),
    }
}

fn cpu(notice: Option<String>) -> (Device, DeviceReport, Limits) {
    let report = DeviceReport { device: DeviceChoice::Cpu, name: "CPU".into(), notice, half: false };
    let limits = if cfg!(target_family = "wasm") { Limits::Wasm } else { Limits::None };
    (Device::flex(), report, limits)
}

/// Whether an adapter's own words say that it has no GPU behind it.
fn is_software(words: &str) -> bool {
    let words = words.to_lowercase();
    ["swiftshader", "llvmpipe", "lavapipe", "software", "basic render", "warp"].iter().any(|word| words.contains(word))
}

#[cfg(target_family = "wasm")]
mod platform {
    use super::{Adapter, Limits, is_software};
    use burn::tensor::Device;
    use js_sys::Reflect;
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::JsFuture;

    pub async fn adapter() -> Result<Adapter, String> {
        let get = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let gpu: web_sys::Gpu = get(&get(&js_sys::global(), "navigator"), "gpu")
            .dyn_into()
            .map_err(|_| "this browser has no WebGPU".to_string())?;
        let adapter = JsFuture::from(gpu.request_adapter()).await.map_err(|_| "WebGPU is blocked".to_string())?;
        if adapter.is_null() || adapter.is_undefined() {
            return Err("WebGPU offers no adapter".into());
        }
        let info = get(&adapter, "info");
        let words: Vec<String> = ["description", "device", "architecture", "vendor"]
            .iter()
            .filter_map(|name| get(&info, name).as_string())
            .filter(|word| !word.is_empty())
            .collect();
        let fallback = [&info, &adapter].iter().any(|object| get(object, "isFallbackAdapter").is_truthy());
        let name = words.first().cloned().unwrap_or_else(|| "WebGPU".into());
        let limits = get(&adapter, "limits");
        let limit = |name: &str| get(&limits, name).as_f64().unwrap_or(0.0) as u64;
        let largest_buffer = limit("maxBufferSize").min(limit("maxStorageBufferBindingSize"));
        let limits = Limits::Gpu { largest_buffer };
        Ok(Adapter { name, software: fallback || is_software(&words.join(" ")), limits })
    }

    pub async fn initialise() -> Result<Device, String> {
        Device::wgpu_options().init_async().await.map_err(|error| error.to_string())
    }
}

#[cfg(not(target_family = "wasm"))]
mod platform {
    use super::{Adapter, Limits, is_software};
    use burn::tensor::Device;
    use std::sync::OnceLock;

    /// wgpu names its adapter only once it is initialised, and may be initialised once a process.
    static DEVICE: OnceLock<Result<Device, String>> = OnceLock::new();

    pub async fn adapter() -> Result<Adapter, String> {
        let device = initialise().await?;
        let name = device.identity().map_or_else(|| "GPU".to_string(), |identity| identity.name);
        Ok(Adapter { software: is_software(&name), name, limits: Limits::None })
    }

    pub async fn initialise() -> Result<Device, String> {
        DEVICE.get_or_init(|| Device::wgpu_options().init().map_err(|error| error.to_string())).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_adapters_are_known_by_their_words() {
        for words in ["google swiftshader", "llvmpipe (LLVM 15.0.6, 256 bits)", "Microsoft Basic Render Driver"] {
            assert!(is_software(words), "{words}");
        }
        for words in ["NVIDIA H200", "apple metal-3", "intel gen-12lp", "AMD Radeon RX 6800"] {
            assert!(!is_software(words), "{words}");
        }
    }

    #[test]
    fn the_cpu_is_there_when_asked_for() {
        let (_, report, _) = futures_executor::block_on(choose(DeviceChoice::Cpu)).unwrap();
        assert_eq!((report.device, report.notice), (DeviceChoice::Cpu, None));
    }
}
