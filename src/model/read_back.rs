//! A tensor's numbers, from the device.
//!
//! Comes in: a tensor. Goes out: its numbers, once the device has computed them. A read that was begun ends, also where
//! nobody waits for it any more: a buffer that is given back while the device maps it would end the engine.

use burn::tensor::{Tensor, TensorData};
use futures_util::FutureExt;

/// Begins at the first poll.
///
/// # Errors
/// What the device says went wrong, in its own words.
pub async fn read_back<const D: usize>(tensor: Tensor<D>) -> Result<TensorData, String> {
    let mut reading = Box::pin(tensor.into_data_async());
    let data = match (&mut reading).now_or_never() {
        Some(data) => data,
        None => finished(reading).await?,
    };
    data.map_err(|error| error.to_string())
}

#[cfg(target_family = "wasm")]
async fn finished<T: 'static>(reading: impl Future<Output = T> + 'static) -> Result<T, String> {
    let (sender, receiver) = futures_channel::oneshot::channel();
    wasm_bindgen_futures::spawn_local(async move {
        // Whoever asked may have given up.
        let _ = sender.send(reading.await);
    });
    receiver.await.map_err(|_| "a read was given up".to_string())
}

#[cfg(not(target_family = "wasm"))]
async fn finished<T>(reading: impl Future<Output = T>) -> Result<T, String> {
    Ok(reading.await)
}
