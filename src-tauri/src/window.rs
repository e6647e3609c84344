//! The dashboard window. It exists while it is open; closing it frees the web view.

use tauri::{AppHandle, CloseRequestApi, Emitter as _, Manager as _, WebviewUrl, WebviewWindowBuilder, Window};

use locald_core::view::stream::ShowService;

use crate::{app::Desktop, display};

const LABEL: &str = "main";

/// The event that asks the window for a service's log.
pub(crate) const SHOW_SERVICE: &str = "show-service";

/// Shows and focuses the window, with what is asked to be seen of a service. From any thread.
pub(crate) fn show(app: &AppHandle, service: Option<ShowService>) {
    let on_main = app.clone();
    let shown = app.run_on_main_thread(move || {
        if let Err(error) = show_now(&on_main, service) {
            tracing::error!(%error, "the window can't be shown");
        }
    });
    if let Err(error) = shown {
        tracing::error!(%error, "the window can't be shown");
    }
}

fn show_now(app: &AppHandle, service: Option<ShowService>) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(LABEL) {
        window.show()?;
        window.unminimize()?;
        window.set_focus()?;
        if let Some(service) = service {
            app.emit_to(LABEL, SHOW_SERVICE, service)?;
        }
        return Ok(());
    }
    if let Some(service) = service
        && let Ok(mut to_show) = app.state::<Desktop>().to_show.lock()
    {
        *to_show = Some(service);
    }
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("index.html".into()))
        .title("locald")
        .inner_size(980.0, 680.0)
        .min_inner_size(560.0, 400.0)
        .build()?;
    Ok(())
}

/// Frees what WebKit keeps beyond the window, unless there is another one by then.
pub(crate) fn closed(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(display::NETWORK_PROCESS_SETTLES).await;
        let on_main = app.clone();
        // Windows come and go on the main thread, so none comes between the look and the end.
        let asked = app.run_on_main_thread(move || {
            if on_main.webview_windows().is_empty() {
                display::end_network_process();
            }
        });
        if let Err(error) = asked {
            tracing::debug!(%error, "the app ends");
        }
    });
}

/// Closing destroys the window. Where no tray would be left to bring it back, it is minimised instead.
pub(crate) fn close_requested(window: &Window, api: &CloseRequestApi) {
    let tray = window.state::<Desktop>().bus.tray_host();
    if !tray {
        api.prevent_close();
        if let Err(error) = window.minimize() {
            tracing::warn!(%error, "not minimised");
        }
    }
}
