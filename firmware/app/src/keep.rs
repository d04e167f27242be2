//! Stores the supervisor's record, beside everything else, because flash takes its time.

use embedded_storage_async::nor_flash::NorFlash;
use trimtab_store::Store;

use crate::Shared;

/// Stores every record that the supervisor wants stored, and tells it; for ever.
pub async fn keep<F: NorFlash>(mut store: Store<F>, shared: &Shared) -> ! {
    loop {
        let record = shared.record.wait().await;
        shared.stored.signal(store.save(&record).await.is_ok());
    }
}
