//! A `[[camera]]` entry, key by key.

use toml::Spanned;
use trimtab_wire::ViewName;

use super::check::path;
use super::raw::RawCamera;
use super::source::Source;
use super::{ConfigError, quantity};
use crate::camera::{self, CameraConfig, CameraSource, Credential, Mask, PixelFormat};

pub(super) fn camera(raw: &RawCamera, source: &Source) -> Result<CameraConfig, ConfigError> {
    let name = source.checked("camera.name", &raw.name, |name| ViewName::new(name))?;
    let place = source.beside("");
    let from = source
        .checked("camera.source", &raw.source, |text| text.parse::<CameraSource>().map(|from| from.beside(&place)))?;
    let mut camera = CameraConfig::new(name, from);
    if let Some(freshness) = &raw.freshness {
        let span = source.checked("camera.freshness", freshness, |text| quantity::millis(text))?;
        camera = source.checked("camera.freshness", freshness, |_| camera.with_freshness(span))?;
    }
    if let Some(fps) = &raw.fps {
        camera = source.checked("camera.fps", fps, |fps| camera.with_fps(*fps))?;
    }
    camera = with_picture(camera, raw, source)?;
    camera = with_credential(camera, raw, source)?;
    if let Some(noise) = &raw.noise {
        camera = source.checked("camera.noise", noise, |noise| camera.with_noise(*noise))?;
    }
    if let Some(upload) = &raw.upload {
        camera = camera.with_upload(source.checked("camera.upload", upload, |text| text.parse())?);
    }
    if let Some(width) = &raw.upload_width {
        camera = source.checked("camera.upload_width", width, |width| camera.with_upload_width(*width))?;
    }
    if let Some(quality) = &raw.upload_quality {
        camera = source.checked("camera.upload_quality", quality, |quality| camera.with_upload_quality(*quality))?;
    }
    for mask in &raw.mask {
        let polygon = source.checked("camera.mask", mask, |points| Mask::new(points.clone()))?;
        camera = source.checked("camera.mask", mask, |_| camera.with_mask(polygon))?;
    }
    Ok(camera)
}

/// Pixel format and size, which are judged together.
fn with_picture(camera: CameraConfig, raw: &RawCamera, source: &Source) -> Result<CameraConfig, ConfigError> {
    let format = raw.format.as_ref().map(|format| source.checked("camera.format", format, |text| text.parse()));
    let format: Option<PixelFormat> = format.transpose()?;
    let size = raw.size.as_ref().map(|size| source.checked("camera.size", size, |text| camera::size(text)));
    let size = size.transpose()?;
    match (&raw.format, &raw.size) {
        (Some(written), _) => source.checked("camera.format", written, |_| camera.with_picture(format, size)),
        (None, Some(written)) => source.checked("camera.size", written, |_| camera.with_picture(format, size)),
        (None, None) => Ok(camera),
    }
}

fn with_credential(camera: CameraConfig, raw: &RawCamera, source: &Source) -> Result<CameraConfig, ConfigError> {
    const VARIABLE: &str = "camera.credential_env";
    const FILE: &str = "camera.credential_file";
    let with = |key, written: &Spanned<String>, credential| {
        source.checked(key, written, |_| camera.clone().with_credential(credential))
    };
    match (&raw.credential_env, &raw.credential_file) {
        (None, None) => Ok(camera),
        (Some(written), None) => {
            let name = source.checked(VARIABLE, written, |name| match name.trim() {
                "" => Err("the name is empty; write that of a variable which holds user:password"),
                name => Ok(name.to_owned()),
            })?;
            with(VARIABLE, written, Credential::Variable(name))
        }
        (None, Some(written)) => with(FILE, written, Credential::File(path(source, FILE, written)?)),
        (Some(written), Some(_)) => {
            Err(source.fault(VARIABLE, &written.span(), "credential_env and credential_file are both given; keep one"))
        }
    }
}
