//! Reading the body of one answer.

use std::ops::RangeBounds;

use futures_util::TryStreamExt;

use super::RemoteStore;
use super::attempt::Attempt;
use super::fault::Stop;
use crate::store::StoreErrorKind;

impl RemoteStore {
    /// Reads `range` into `out`; `most` is what `out` may come to hold.
    pub(super) async fn read(
        &self,
        name: &str,
        range: impl RangeBounds<u64>,
        most: u64,
        attempt: &Attempt,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        out.clear();
        let mut stream = self.operator.reader(name).await?.into_stream(range).await?;
        // This opens the stream, so that the length is known before anything is read.
        match stream.metadata().await {
            Err(error) if error.kind() != opendal::ErrorKind::Unsupported => {
                return Err(error.into());
            }
            _ => {}
        }
        let len = attempt.answer().length.unwrap_or(0);
        if len > most {
            return Err(Stop::Kind(StoreErrorKind::TooLarge));
        }
        out.reserve_exact(usize::try_from(len).unwrap_or(0));
        while let Some(buffer) = stream.try_next().await? {
            if (out.len() + buffer.len()) as u64 > most {
                return Err(Stop::Kind(StoreErrorKind::TooLarge));
            }
            for piece in buffer {
                out.extend_from_slice(&piece);
            }
        }
        Ok(())
    }
}
